import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { OUTBOX_SENDER } from '../config.ts';
import { type Clock, isInfraError, once, systemClock } from '../core.ts';
import type { EmailDriver, RenderedEmail, SendContext, SendReceipt } from '../driver.ts';
import { IdempotencyConflictError, OutboxError } from '../errors.ts';
import {
  digestOf,
  finished,
  makeFolder,
  metaOf,
  type OutboxEntry,
  probe,
  readEntry,
  readMeta,
  sweep,
  unwritable,
  writeAll,
} from './outbox-files.ts';

/** How an outbox is made. */
export interface OutboxOptions {
  /** The folder. It is made when it is not there. @default '.outbox' */
  folder?: string;
  /** How many messages are kept, at least 1; the oldest go first. @default 500 */
  keep?: number;
  /** @default the machine's clock */
  clock?: Clock;
}

/** A message in an outbox. */
export interface OutboxMessage extends OutboxEntry {
  readonly html: string;
  readonly text: string;
  /** As it would be sent: open it with a mail program. */
  readonly eml: string;
}

/** The messages that were written to disk. */
export interface Outbox {
  /** The messages, the newest first. @default all */
  list(options?: { limit?: number }): Promise<OutboxEntry[]>;
  /** One message. @throws {@link OutboxError} `E_EMAIL_OUTBOX` when there is none of this id. */
  read(id: string): Promise<OutboxMessage>;
}

/** Makes a driver that writes each message to a folder, where it can be looked at. Nothing is written before the first message, or `ready()`. */
export function outboxDriver(options: OutboxOptions = {}): EmailDriver & Outbox {
  const { keep = 500, clock = systemClock } = options;
  const folder = resolve(options.folder ?? '.outbox');
  const underWay = new Map<string, Promise<unknown>>();
  let last = 0;
  const sweepOnce = once(() => sweep(folder));

  /** Asked before each message: while developing, an outbox is often deleted by hand. */
  const ready = async (): Promise<void> => {
    await makeFolder(folder);
    await sweepOnce();
  };

  const write = async (message: Readonly<RenderedEmail>, key: string, id: string): Promise<SendReceipt> => {
    await ready();
    const names = await finished(folder);
    const digest = digestOf(message);
    const former = names.find((name) => name.endsWith(`-${id}`));
    if (former) {
      if ((await readMeta(folder, former)).digest !== digest) throw new IdempotencyConflictError(key);
      return { id, previewPath: join(folder, former, 'index.html') };
    }
    // Names sort by time, so two messages never share a millisecond.
    last = Math.max(clock.now(), last + 1);
    const createdAt = new Date(last).toISOString();
    const name = `${createdAt.replaceAll(/[:.]/g, '-')}-${message.template.replaceAll('/', '-')}-${id}`;
    await writeAll(folder, name, message, { ...metaOf(message, key, id), createdAt, digest }, last);
    const surplus = [...names, name].sort().slice(0, -Math.max(1, keep));
    await Promise.all(surplus.map((old) => rm(join(folder, old), { recursive: true, force: true })));
    return { id, previewPath: join(folder, name, 'index.html') };
  };

  return {
    name: 'outbox',
    defaultFrom: OUTBOX_SENDER,
    ready,
    async send(message, { idempotencyKey, signal }: SendContext) {
      signal.throwIfAborted();
      const id = createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 16);
      // Two calls with one key go one after the other: the second finds what the first has written.
      const turn = (underWay.get(id) ?? Promise.resolve()).then(() => write(message, idempotencyKey, id));
      const settled = turn.catch(() => undefined);
      underWay.set(id, settled);
      try {
        return await turn;
      } catch (error) {
        throw isInfraError(error) ? error : unwritable(folder, error);
      } finally {
        if (underWay.get(id) === settled) underWay.delete(id);
      }
    },
    async list({ limit = Number.POSITIVE_INFINITY } = {}) {
      const names = (await finished(folder)).sort().reverse().slice(0, limit);
      const entries = await Promise.all(names.map((name) => readEntry(folder, name).catch(() => undefined)));
      return entries.filter((entry) => entry !== undefined);
    },
    async read(id) {
      const name = (await finished(folder)).find((it) => it.endsWith(`-${id}`) && /^[0-9a-f]{16}$/.test(id));
      if (!name) throw new OutboxError(`The outbox ${folder} holds no message ${JSON.stringify(id)}.`);
      const [entry, html, text, eml] = await Promise.all([
        readEntry(folder, name),
        ...['index.html', 'message.txt', 'message.eml'].map((file) =>
          readFile(join(folder, name, file), 'utf8'),
        ),
      ] as const);
      return { ...entry, html: html ?? '', text: text ?? '', eml: eml ?? '' };
    },
    async check(signal) {
      signal.throwIfAborted();
      await ready();
      await probe(folder);
    },
    async close() {
      await Promise.all(underWay.values());
    },
  };
}
