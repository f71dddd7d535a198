import type { DriverListOptions, DriverPage, ListedFile } from '../../driver.ts';
import { compareKeys } from '../../input.ts';
import type { Store } from './store.ts';
import { bareEtag, elements, keyReader, textOf } from './xml.ts';

/** What no key below a prefix is behind. */
const BEHIND_ALL = '\u{10ffff}';

/**
 * One page. The token is where the page before ended, hence means the same on every store; and `after` inside of a
 * folder is asked for apart, since stores disagree whether that folder is still listed.
 */
export async function listPage(store: Store, options: DriverListOptions): Promise<DriverPage> {
  const { prefix, folders, limit, token } = options;
  const after = token === undefined ? options.after : Buffer.from(token, 'base64url').toString();
  const folder = folders && after !== undefined && !after.endsWith('/') ? folderOf(after, prefix) : undefined;
  if (folder === undefined || after === undefined)
    return ask(store, options, after?.endsWith('/') ? after + BEHIND_ALL : after);
  const inside = await ask(store, { ...options, prefix: folder, folders: false, limit: 1 }, after);
  if (inside.files.length === 0) return ask(store, options, folder + BEHIND_ALL);
  if (limit === 1) return { files: [], prefixes: [folder], next: tokenOf(folder) };
  const page = await ask(store, { ...options, limit: limit - 1 }, folder + BEHIND_ALL);
  return { ...page, prefixes: [folder, ...page.prefixes] };
}

/** The folder directly below `prefix` that a key is in. */
function folderOf(key: string, prefix: string): string | undefined {
  if (!key.startsWith(prefix)) return undefined;
  const slash = key.indexOf('/', prefix.length);
  return slash === -1 ? undefined : key.slice(0, slash + 1);
}

async function ask(store: Store, options: DriverListOptions, after: string | undefined): Promise<DriverPage> {
  const { prefix, folders, limit, signal } = options;
  for (let continued: string | undefined; ; ) {
    const { text } = await store.send({
      what: `list ${JSON.stringify(prefix)}`,
      method: 'GET',
      query: {
        'list-type': 2,
        'encoding-type': 'url',
        'max-keys': limit,
        prefix,
        delimiter: folders ? '/' : undefined,
        'start-after': continued === undefined ? after : undefined,
        'continuation-token': continued,
      },
      signal,
    });
    const files = filesOf(text);
    const prefixes = prefixesOf(text);
    const truncated = textOf(text, 'IsTruncated') === 'true';
    continued = textOf(text, 'NextContinuationToken');
    const last = [files.at(-1)?.key, prefixes.at(-1)]
      .filter((entry) => entry !== undefined)
      .sort(compareKeys)
      .at(-1);
    if (!truncated) return { files, prefixes };
    if (last !== undefined) return { files, prefixes, next: tokenOf(last) };
    // A page may be empty while there is more; without a way on, it is the last.
    if (continued === undefined) return { files, prefixes };
  }
}

const tokenOf = (last: string): string => Buffer.from(last).toString('base64url');

function filesOf(text: string): ListedFile[] {
  const read = keyReader(text);
  return elements(text, 'Contents').map((entry) => ({
    key: read(entry, 'Key'),
    size: Number(textOf(entry, 'Size')),
    etag: bareEtag(textOf(entry, 'ETag')),
    lastModified: new Date(textOf(entry, 'LastModified') ?? 0),
  }));
}

function prefixesOf(text: string): string[] {
  const read = keyReader(text);
  return elements(text, 'CommonPrefixes').map((entry) => read(entry, 'Prefix'));
}
