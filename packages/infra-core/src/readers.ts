import type { Schema } from './standard-schema.ts';
import { type Duration, toMs } from './time.ts';

/** What every reader can be told. */
export interface ReaderOptions<T> {
  /** The value when the variable is not set. Without one, and without `optional`, it must be set. */
  default?: T;
  /** True when the variable may be absent; its value is then `undefined`. @default false */
  optional?: boolean;
  /** True when the value must never be shown. {@link describeConfig} then hides its default as well. @default false */
  secret?: boolean;
  /** Variables read in this order when the variable itself is not set. */
  fallback?: string | readonly string[];
  /** What it is for, in half a sentence. */
  description?: string;
}

/** Reads one environment variable: a Standard Schema over its text that also says what it expects. */
export interface Reader<T> extends Schema<string | undefined, T> {
  /** The expected form, such as `a whole number of 1 or more`. */
  readonly form: string;
  /** As given, for {@link describeConfig}. */
  readonly options: ReaderOptions<unknown>;
}

type Value<T, O> = O extends { optional: true } ? (O extends { default: unknown } ? T : T | undefined) : T;

/** Thrown inside a reader's parse function: the text is not of the expected form. */
const REFUSED = new Error('refused');

function reader<T, O extends ReaderOptions<unknown>>(
  form: string,
  parse: (text: string) => T,
  options: O | undefined,
): Reader<Value<T, O>> {
  const validate = (text: unknown): { value: Value<T, O> } | { issues: { message: string }[] } => {
    if (text === undefined && options?.default !== undefined)
      return { value: options.default as Value<T, O> };
    if (text === undefined && options?.optional) return { value: undefined as Value<T, O> };
    try {
      if (typeof text !== 'string') throw REFUSED;
      return { value: parse(text) as Value<T, O> };
    } catch {
      return { issues: [{ message: `expected ${form}` }] };
    }
  };
  return {
    '~standard': { version: 1, vendor: '@vibeonrails/infra', validate },
    form,
    options: options ?? {},
  };
}

function must<T>(holds: boolean, value: T): T {
  if (!holds) throw REFUSED;
  return value;
}

/** Any text. */
export function text<const O extends ReaderOptions<string>>(options?: O): Reader<Value<string, O>> {
  return reader('a text', (value) => value, options);
}

/** A text that must never be shown: a key, a password, a token. */
export function secret<const O extends ReaderOptions<string> & { minLength?: number }>(
  options?: O,
): Reader<Value<string, O>> {
  const min = options?.minLength ?? 1;
  const form = min > 1 ? `a secret of ${min} characters or more` : 'a secret';
  return reader(form, (value) => must(value.length >= min, value), {
    ...options,
    secret: true,
  } as unknown as O);
}

/** A whole number between `min` and `max`. */
export function int<const O extends ReaderOptions<number> & { min?: number; max?: number }>(
  options?: O,
): Reader<Value<number, O>> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = options ?? {};
  const lower = options?.min === undefined ? '' : ` of ${min} or more`;
  const upper = options?.max === undefined ? '' : `${lower && ' and'} up to ${max}`;
  const parse = (value: string): number => {
    const number = Number(value);
    return must(/^-?\d+$/.test(value) && number >= min && number <= max, number);
  };
  return reader(`a whole number${lower}${upper}`, parse, options);
}

/** `true`, `1`, `yes`, `on` or `false`, `0`, `no`, `off`, in any case. */
export function bool<const O extends ReaderOptions<boolean>>(options?: O): Reader<Value<boolean, O>> {
  const parse = (value: string): boolean => {
    const yes = /^(true|1|yes|on)$/i.test(value);
    return must(yes || /^(false|0|no|off)$/i.test(value), yes);
  };
  return reader('true or false', parse, options);
}

/** One of a few words. */
export function oneOf<const T extends string, const O extends ReaderOptions<T>>(
  values: readonly T[],
  options?: O,
): Reader<Value<T, O>> {
  return reader(
    `one of ${values.join(', ')}`,
    (value) => must(values.includes(value as T), value as T),
    options,
  );
}

/** An absolute URL with `//`, kept as text; with `protocols`, one of those (`['redis', 'rediss']`). */
export function url<const O extends ReaderOptions<string> & { protocols?: readonly string[] }>(
  options?: O,
): Reader<Value<string, O>> {
  const schemes = options?.protocols?.map((name) => `${name}://`);
  const form = schemes
    ? `a URL that starts with ${schemes.join(' or ')}`
    : 'a URL such as https://example.com';
  const parse = (value: string): string => {
    // `localhost:6379` would pass as a URL of the scheme "localhost", and `redis:host` as one without a host.
    const starts = schemes?.some((scheme) => value.toLowerCase().startsWith(scheme)) ?? value.includes('://');
    return must(starts && URL.canParse(value), value);
  };
  return reader(form, parse, options);
}

/** A {@link Duration}; its value is in milliseconds. A bare number counts as milliseconds. */
export function duration<const O extends ReaderOptions<Duration>>(options?: O): Reader<Value<number, O>> {
  const parse = (value: string): number => toMs(/^\d+$/.test(value) ? Number(value) : (value as Duration));
  const made = reader("a duration such as '500ms', '30s' or '5m'", parse, {
    ...options,
    ...(options?.default === undefined ? {} : { default: toMs(options.default) }),
  } as unknown as O);
  return { ...made, options: options ?? {} };
}

/** A comma-separated list of texts; blanks around an item and empty items are dropped. */
export function list<const O extends ReaderOptions<readonly string[]>>(
  options?: O,
): Reader<Value<readonly string[], O>> {
  const parse = (value: string): readonly string[] => {
    const items = value.split(',').flatMap((item) => item.trim() || []);
    return must(items.length > 0, items);
  };
  return reader('a comma-separated list', parse, options);
}
