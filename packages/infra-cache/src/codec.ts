import { CacheValueError } from './errors.ts';

/*
 * JSON in which an object with one key that starts with "~" stands for something JSON has no form for. A plain
 * object's own keys that start with "~" get one "~" more, so that data can never be taken for a mark.
 */
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Writes a value down. @throws {@link CacheValueError} `E_CACHE_VALUE` naming the path of what cannot be. */
export function encode(value: unknown): string {
  return JSON.stringify(pack(value, '', new Set()));
}

/** Reads back what {@link encode} wrote. An own key called `__proto__` is dropped. */
export function decode(text: string): unknown {
  const json = JSON.parse(text) as Json;
  // Most values hold no mark, and then JSON.parse has done it all. An escape could hide one.
  return /"~|__proto__|\\u/.test(text) ? unpack(json) : json;
}

function pack(value: unknown, path: string, above: Set<object>): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { '~n': Object.is(value, -0) ? '-0' : String(value) };
    case 'bigint':
      return { '~i': String(value) };
    case 'undefined':
      return { '~u': 1 };
    case 'object':
      return value === null ? null : packObject(value, path, above);
    default:
      throw new CacheValueError(path, `a ${typeof value}`);
  }
}

function packObject(value: object, path: string, above: Set<object>): Json {
  if (above.has(value)) throw new CacheValueError(path, 'a value that contains itself');
  above.add(value);
  const inner = (part: unknown, step: string): Json => pack(part, path + step, above);
  const json = packKnown(value, inner);
  above.delete(value);
  return json;
}

function packKnown(value: object, inner: (part: unknown, step: string) => Json): Json {
  if (Array.isArray(value)) return Array.from(value, (item, i) => inner(item, `[${i}]`));
  if (value instanceof Date) return { '~d': Number.isNaN(value.getTime()) ? null : value.getTime() };
  if (value instanceof Uint8Array) return { '~b': Buffer.from(value).toString('base64') };
  if (value instanceof Map)
    return { '~m': [...value].map(([k, v], i) => [inner(k, `.key(${i})`), inner(v, `.get(${i})`)]) };
  if (value instanceof Set) return { '~s': [...value].map((item, i) => inner(item, `.item(${i})`)) };
  if (value instanceof Promise) return inner(() => undefined, ' (a promise: await it first)');
  if ('toJSON' in value && typeof value.toJSON === 'function') return inner(value.toJSON(), '');
  const json: Record<string, Json> = {};
  for (const [key, part] of Object.entries(value)) {
    if (key !== '__proto__') json[key.startsWith('~') ? `~${key}` : key] = inner(part, `.${key}`);
  }
  return json;
}

function unpack(json: Json): unknown {
  if (json === null || typeof json !== 'object') return json;
  if (Array.isArray(json)) return json.map(unpack);
  const entries = Object.entries(json);
  const [first] = entries;
  if (entries.length === 1 && first && /^~[a-z]$/.test(first[0])) return unpackMark(first[0], first[1]);
  const value: Record<string, unknown> = {};
  for (const [key, part] of entries) {
    if (key !== '__proto__') value[key.startsWith('~~') ? key.slice(1) : key] = unpack(part);
  }
  return value;
}

function unpackMark(mark: string, json: Json): unknown {
  switch (mark) {
    case '~n':
      return Number(json);
    case '~i':
      return BigInt(String(json));
    case '~u':
      return undefined;
    case '~d':
      return new Date(json === null ? Number.NaN : Number(json));
    case '~b':
      return Buffer.from(String(json), 'base64');
    case '~m':
      return new Map((json as Json[][]).map(([k = null, v = null]) => [unpack(k), unpack(v)]));
    case '~s':
      return new Set((json as Json[]).map(unpack));
    default:
      throw new CacheValueError('', `an unknown mark ${mark}`);
  }
}
