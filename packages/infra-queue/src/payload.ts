import type { Schema, SchemaIssue, SchemaOutput, SchemaResult } from '@vibeonrails/infra-core';
import { PayloadError, type PayloadIssue, PayloadSizeError } from './errors.ts';

/** What a payload is checked by. */
export interface PayloadRules {
  readonly name: string;
  readonly schema: Schema;
  readonly maxPayloadBytes: number;
}

const MAX_DEPTH = 100;
const MAX_ISSUES = 50;

/**
 * The JSON text of a payload, in the form it was given: a schema's transforms happen when it runs, and only then. A
 * promise of it where the schema takes its time.
 *
 * @throws {@link PayloadError} `E_QUEUE_PAYLOAD` when JSON would change it or the schema refuses it.
 * @throws {@link PayloadSizeError} `E_QUEUE_PAYLOAD_SIZE` when it is too large.
 */
export function packPayload(rules: PayloadRules, payload: unknown): string | Promise<string> {
  const issues: PayloadIssue[] = [];
  // A copy, because a schema may change what it is given.
  const copy = plainCopy(payload, MAX_DEPTH) ?? toJson(payload, { path: [], above: [], issues });
  const text = copy === undefined ? 'null' : JSON.stringify(copy);
  // A character takes three bytes at most.
  const { name, maxPayloadBytes } = rules;
  if (issues.length === 0 && text.length * 3 > maxPayloadBytes && Buffer.byteLength(text) > maxPayloadBytes)
    throw new PayloadSizeError(name, Buffer.byteLength(text), maxPayloadBytes);
  const packed = ({ issues: refused = [] }: SchemaResult<unknown>): string => {
    if (issues.length + refused.length > 0) throw refusal(rules.name, issues, refused);
    return text;
  };
  const result = copy === undefined ? { value: copy } : rules.schema['~standard'].validate(copy);
  return isPromise(result) ? result.then(packed) : packed(result);
}

function refusal(name: string, issues: PayloadIssue[], refused: readonly SchemaIssue[]): PayloadError {
  // What JSON would change is missing from the copy: the schema's words about the same place would only confuse.
  const told = (path: string): boolean =>
    issues.some((issue) => issue.path === '' || path === issue.path || path.startsWith(`${issue.path}.`));
  const all = [...issues, ...refused.map(toIssue).filter((issue) => !told(issue.path))];
  return new PayloadError(name, all.slice(0, MAX_ISSUES));
}

/** A copy of what JSON keeps as it is, seen at a glance: most payloads. `undefined` for others, which are looked at part by part. */
function plainCopy(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return isJson(value) ? value : undefined;
  if (depth === 0) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  const isList = prototype === Array.prototype;
  if (!isList && (prototype !== Object.prototype || Object.getOwnPropertySymbols(value).length > 0))
    return undefined;
  // In one go, which is fast; then the few parts that are objects themselves.
  if (isList) {
    if (hasMore(value as unknown[])) return undefined;
    const list = [...(value as unknown[])];
    return list.every((_, i) => copyInto(list, i, depth)) ? list : undefined;
  }
  const copy: Record<string, unknown> = { ...value };
  for (const key of Object.keys(copy))
    if (key === '__proto__' || !copyInto(copy, key, depth)) return undefined;
  return copy;
}

/** Puts a copy in the place of a part. False where it is more than JSON. */
function copyInto<K extends string | number>(whole: Record<K, unknown>, key: K, depth: number): boolean {
  const part = whole[key];
  const copy = plainCopy(part, depth - 1);
  if (copy !== part) whole[key] = copy;
  return copy !== undefined;
}

const isJson = (value: unknown): boolean =>
  typeof value === 'string' || typeof value === 'boolean' || value === null || Number.isFinite(value);

/**
 * Hands `use` what a handler gets: a stored payload, parsed by the schema. What that returns, or a promise of it where the
 * schema takes its time.
 *
 * @throws {@link PayloadError} `E_QUEUE_PAYLOAD` when it is refused.
 */
export function unpackPayload<S extends Schema>(
  rules: PayloadRules & { readonly schema: S },
  payload: unknown,
  use: (output: SchemaOutput<S>) => unknown,
): unknown {
  const unpacked = (result: SchemaResult<unknown>): unknown => {
    if (result.issues) throw new PayloadError(rules.name, result.issues.slice(0, MAX_ISSUES).map(toIssue));
    return use(result.value as SchemaOutput<S>);
  };
  const result = rules.schema['~standard'].validate(payload);
  return isPromise(result) ? result.then(unpacked) : unpacked(result);
}

const isPromise = <T>(value: T | Promise<T>): value is Promise<T> => 'then' in (value as object);

function toIssue({ path = [], message }: SchemaIssue): PayloadIssue {
  return { path: path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.'), message };
}

/** Where a walk over a payload is, and what it has found. */
interface Walk {
  readonly path: string[];
  readonly above: object[];
  readonly issues: PayloadIssue[];
}

/**
 * A copy of a value in what JSON keeps as it is; each part that it would change is left out and added to the issues. It
 * ends with the issues that are told: objects that all refer to each other have more paths than can be walked.
 */
function toJson(value: unknown, walk: Walk): unknown {
  if (walk.issues.length >= MAX_ISSUES) return undefined;
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : refuse(walk, `${value}, which JSON would change to null`);
    case 'undefined':
      return refuse(walk, 'undefined, which JSON would drop: leave the field out or use null');
    case 'object':
      return value === null ? null : copyObject(value, walk);
    default:
      return refuse(walk, `a ${typeof value}, which JSON cannot carry`);
  }
}

function refuse({ path, issues }: Walk, message: string): undefined {
  issues.push({ path: path.join('.'), message });
}

function copyObject(value: object, walk: Walk): unknown {
  const { path, above } = walk;
  if (above.includes(value)) return refuse(walk, 'a value that contains itself');
  if (above.length >= MAX_DEPTH) return refuse(walk, `nested more than ${MAX_DEPTH} levels deep`);
  const isArray = Array.isArray(value);
  const kind = isArray ? kindOfArray(value) : kindOf(value);
  if (kind) return refuse(walk, `${kind}, which JSON would change`);
  const copy: Record<string, unknown> | unknown[] = isArray ? [] : {};
  above.push(value);
  for (const key of isArray ? value.keys() : Object.keys(value)) {
    path.push(String(key));
    // A later merge of such a key would change the prototype of what it is merged into.
    if (key === '__proto__') refuse(walk, 'a key that is not allowed');
    else (copy as Record<string, unknown>)[key] = toJson((value as Record<string, unknown>)[key], walk);
    path.pop();
  }
  above.pop();
  return copy;
}

/** The name of an object that is more than its own fields; `undefined` for a plain one. */
function kindOf(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  const plain = prototype === null || prototype === Object.prototype || isForeignPlain(prototype as object);
  if (plain && !('toJSON' in value) && Object.getOwnPropertySymbols(value).length === 0) return undefined;
  const name = plain ? 'an object with symbols or toJSON()' : value.constructor?.name;
  return plain ? (name as string) : `a ${name || 'class'} object`;
}

/** What a list is beside its items; `undefined` for a plain one. */
function kindOfArray(list: readonly unknown[]): string | undefined {
  if ('toJSON' in list) return 'an array with toJSON()';
  return hasMore(list) ? 'an array with fields beside its items' : undefined;
}

/** More fields than items, which JSON would drop. */
const hasMore = (list: readonly unknown[]): boolean => Object.keys(list).length > list.length;

/** A plain object of another realm, such as a `vm` context. */
const isForeignPlain = (prototype: object): boolean =>
  Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
