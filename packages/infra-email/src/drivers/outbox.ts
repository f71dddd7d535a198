import { createHash, randomUUID } from 'node:crypto';
import { access, constants, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Clock, currentContext, isInfraError, messageOf, systemClock } from '@vibeonrails/infra-core';
import type { Address, EmailDriver, RenderedEmail, SendContext, SendReceipt } from '../driver.ts';
import { IdempotencyConflictError, OutboxError } from '../errors.ts';
import { toMime } from '../mime.ts';

/** How an outbox is made. */
export interface OutboxOptions {
  /** The folder. It is made when it is not there. @default '.outbox' */
  folder?: string;
  /** How many messages are kept, at least 1; the oldest go first. @default 500 */
  keep?: number;
  /** @default the machine's clock */
  clock?: Clock;
}

/** What an outbox knows of a message. */
export interface OutboxEntry {
  readonly id: string;
  /** ISO 8601, in UTC. */
  readonly createdAt: string;
  readonly template: string;
  readonly locale: string;
  readonly from: Address;
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly replyTo: readonly Address[];
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly attachments: readonly {
    readonly filename: string;
    readonly contentType: string;
    readonly bytes: number;
    readonly cid?: string;
  }[];
  readonly idempotencyKey: string;
  /** The trace and the request it was sent in. */
  readonly traceId?: string;
  readonly requestId?: string;
  /** The absolute path of the page that shows it. */
  readonly previewPath: string;
}

/** A message in an outbox. */
export interface OutboxMessage extends OutboxEntry {
  readonly html: string;
  readonly text: string;
  /** As it would be sent: open it with a mail program. */
  readonly eml: string;
}

/** A driver that writes each message to a folder, where it can be looked at. */
export interface Outbox extends EmailDriver {
  /** The messages, the newest first. @default all */
  list(options?: { limit?: number }): Promise<OutboxEntry[]>;
  /** One message. @throws {@link OutboxError} `E_EMAIL_OUTBOX` when there is none of this id. */
  read(id: string): Promise<OutboxMessage>;
}

interface Meta extends Omit<OutboxEntry, 'previewPath'> {
  /** Of all that makes the message, to tell a retry from another message under the same key. */
  readonly digest: string;
}

const FOLDER = /^\d{4}-\d{2}-\d{2}T[\d-]+Z-.+-[0-9a-f]{16}$/;
const UNFINISHED = '.unfinished-';
const AN_HOUR = 3_600_000;

/** Makes an {@link Outbox}. Nothing is written before the first message, or `ready()`. */
export function outboxDriver(options: OutboxOptions = {}): Outbox {
  const { keep = 500, clock = systemClock } = options;
  const folder = resolve(options.folder ?? '.outbox');
  const underWay = new Map<string, Promise<unknown>>();
  let last = 0;
  let prepared: Promise<void> | undefined;

  const ready = (): Promise<void> => {
    prepared ??= prepare(folder).catch((error: unknown) => {
      prepared = undefined;
      throw error;
    });
    return prepared;
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
    defaultFrom: 'Outbox <outbox@localhost>',
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
      const probe = join(folder, `${UNFINISHED}${randomUUID()}`);
      try {
        await writeFile(probe, 'ok');
        await rm(probe);
      } catch (error) {
        throw unwritable(folder, error);
      }
    },
    async close() {
      await Promise.all(underWay.values());
    },
  };
}

const unwritable = (folder: string, error: unknown): OutboxError =>
  new OutboxError(`The outbox ${folder} cannot be written: ${messageOf(error)}.`, error);

/** Makes the folder, keeps it out of version control, and clears away what a process that died left unfinished. */
async function prepare(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, '.gitignore'), '*\n', { flag: 'wx' }).catch(() => undefined);
    await access(folder, constants.W_OK);
    for (const name of await readdir(folder)) {
      if (!name.startsWith(UNFINISHED)) continue;
      const path = join(folder, name);
      const { mtimeMs } = await stat(path);
      if (Date.now() - mtimeMs > AN_HOUR) await rm(path, { recursive: true, force: true });
    }
  } catch (error) {
    throw unwritable(folder, error);
  }
}

/** Writes a message's files under another name, then gives them theirs: nobody sees half a message. */
async function writeAll(
  folder: string,
  name: string,
  message: Readonly<RenderedEmail>,
  meta: Meta,
  date: number,
): Promise<void> {
  const draft = join(folder, `${UNFINISHED}${randomUUID()}`);
  await mkdir(draft);
  try {
    await Promise.all([
      writeFile(join(draft, 'index.html'), withImages(message)),
      writeFile(join(draft, 'message.txt'), message.text),
      writeFile(join(draft, 'message.eml'), toMime(message, { date, id: meta.id })),
      writeFile(join(draft, 'meta.json'), `${JSON.stringify(meta, undefined, 2)}\n`),
    ]);
    await rename(draft, join(folder, name));
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/** The HTML with its attached images in it, so that a browser shows them. */
function withImages({ html, attachments }: Readonly<RenderedEmail>): string {
  return attachments.reduce((page, { cid, content, contentType }) => {
    if (cid === undefined) return page;
    const data = `data:${contentType};base64,${Buffer.from(content).toString('base64')}`;
    return page.split(`"cid:${cid}"`).join(`"${data}"`);
  }, html);
}

function metaOf(
  message: Readonly<RenderedEmail>,
  idempotencyKey: string,
  id: string,
): Omit<Meta, 'createdAt' | 'digest'> {
  const { html: _html, text: _text, attachments, ...rest } = message;
  const { trace, requestId } = currentContext();
  return {
    id,
    ...rest,
    attachments: attachments.map(({ content, ...it }) => ({ ...it, bytes: content.byteLength })),
    idempotencyKey,
    ...(trace ? { traceId: trace.traceId } : {}),
    ...(requestId ? { requestId } : {}),
  };
}

function digestOf(message: Readonly<RenderedEmail>): string {
  const hash = createHash('sha256').update(JSON.stringify({ ...message, attachments: [] }));
  for (const { content, ...rest } of message.attachments) hash.update(JSON.stringify(rest)).update(content);
  return hash.digest('hex');
}

/** The folders of complete messages; none while there is no outbox yet. */
async function finished(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => FOLDER.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new OutboxError(`The outbox ${folder} cannot be read: ${messageOf(error)}.`, error);
  }
}

const readMeta = async (folder: string, name: string): Promise<Meta> =>
  JSON.parse(await readFile(join(folder, name, 'meta.json'), 'utf8')) as Meta;

async function readEntry(folder: string, name: string): Promise<OutboxEntry> {
  const { digest: _digest, ...entry } = await readMeta(folder, name);
  return { ...entry, previewPath: join(folder, name, 'index.html') };
}
