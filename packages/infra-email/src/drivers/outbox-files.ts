import { createHash, randomUUID } from 'node:crypto';
import { access, constants, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { currentContext, messageOf } from '../core.ts';
import type { Address, RenderedEmail } from '../driver.ts';
import { OutboxError } from '../errors.ts';
import { toMime } from '../mime.ts';

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

/** What is written down of a message. */
export interface OutboxMeta extends Omit<OutboxEntry, 'previewPath'> {
  /** Of all that makes the message, to tell a retry from another message under the same key. */
  readonly digest: string;
}

const FOLDER = /^\d{4}-\d{2}-\d{2}T[\d-]+Z-.+-[0-9a-f]{16}$/;
const UNFINISHED = '.unfinished-';
const AN_HOUR = 3_600_000;

/** The error of a folder that cannot be written. */
export const unwritable = (folder: string, error: unknown): OutboxError =>
  new OutboxError(`The outbox ${folder} cannot be written: ${messageOf(error)}.`, error);

/**
 * Makes the folder when it is not there, and keeps it out of version control. A folder that somebody else made is
 * used as it is.
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    const made = await mkdir(folder, { recursive: true });
    if (made !== undefined) await writeFile(join(folder, '.gitignore'), '*\n');
  } catch (error) {
    throw unwritable(folder, error);
  }
}

/** Clears away what a process that died left unfinished. */
export async function sweep(folder: string): Promise<void> {
  try {
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

/** Writes a file and takes it away again. */
export async function probe(folder: string): Promise<void> {
  const path = join(folder, `${UNFINISHED}${randomUUID()}`);
  try {
    await writeFile(path, 'ok');
    await rm(path);
  } catch (error) {
    throw unwritable(folder, error);
  }
}

/** Writes a message's files under another name, then gives them theirs: nobody sees half a message. */
export async function writeAll(
  folder: string,
  name: string,
  message: Readonly<RenderedEmail>,
  meta: OutboxMeta,
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

/** What is to be written down of a message. */
export function metaOf(
  message: Readonly<RenderedEmail>,
  idempotencyKey: string,
  id: string,
): Omit<OutboxMeta, 'createdAt' | 'digest'> {
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

/** One value for all that makes a message. */
export function digestOf(message: Readonly<RenderedEmail>): string {
  const hash = createHash('sha256').update(JSON.stringify({ ...message, attachments: [] }));
  for (const { content, ...rest } of message.attachments) hash.update(JSON.stringify(rest)).update(content);
  return hash.digest('hex');
}

/** The folders of complete messages; none while there is no outbox yet. */
export async function finished(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => FOLDER.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new OutboxError(`The outbox ${folder} cannot be read: ${messageOf(error)}.`, error);
  }
}

/** What was written down of a message. */
export const readMeta = async (folder: string, name: string): Promise<OutboxMeta> =>
  JSON.parse(await readFile(join(folder, name, 'meta.json'), 'utf8')) as OutboxMeta;

/** What an outbox tells of a message. */
export async function readEntry(folder: string, name: string): Promise<OutboxEntry> {
  const { digest: _digest, ...entry } = await readMeta(folder, name);
  return { ...entry, previewPath: join(folder, name, 'index.html') };
}
