/** Keeps values of one payload out of what others read. */
export interface Redactor {
  /**
   * The error itself, with those values taken out of its message, its stack and its own fields, and out of those of its
   * causes.
   */
  error(error: Error): Error;
  /** A text without them. */
  text(text: string): string;
  /** A copy of the payload, as it is stored, without them. */
  payload(): unknown;
}

/** The forms of a payload. */
export interface PayloadForms {
  /** As it is stored. */
  stored(): unknown;
  /**
   * What else it has become: brought to the job's version, parsed by its schema. `undefined` where that cannot be said:
   * then nobody knows which field is which, and every value is kept out.
   */
  others(): readonly unknown[] | undefined;
}

const CENSORED = '[redacted]';
/** Shorter values would take unrelated parts of a text along. */
const MIN_LENGTH = 4;
/** How deep causes and the fields of an error are followed. */
const MAX_DEPTH = 10;

/** Makes a {@link Redactor} for fields of a payload; `undefined` when there are none to keep out. */
export function redactor(paths: readonly string[], { stored, others }: PayloadForms): Redactor | undefined {
  if (paths.length === 0) return undefined;
  const fields = paths.map((path) => path.split('.'));
  const valuesIn = (forms: readonly unknown[]): string[] =>
    forms.flatMap((form) => fields.flatMap((steps) => leaves(valueAt(form, steps))));
  const cleaner = (): Clean => {
    const more = others();
    return cleanOf(more ? valuesIn([stored(), ...more]) : leaves(stored()));
  };
  return {
    text: (text) => cleaner()(text),
    payload() {
      const more = others();
      // In an older form the fields may have other names.
      const values = more ? valuesIn(more) : leaves(stored());
      return without(fields.reduce(censored, stored()), new Set(values));
    },
    error(error) {
      censorError(error, cleaner());
      return error;
    },
  };
}

/** Takes secrets out of a text. */
type Clean = (text: string) => string;

function cleanOf(values: readonly string[]): Clean {
  const secrets = [...new Set(values)]
    .filter((text) => text.length >= MIN_LENGTH)
    .sort((a, b) => b.length - a.length);
  return (text) => secrets.reduce((result, secret) => result.replaceAll(secret, CENSORED), text);
}

/** A copy in which the value at a path is censored. A list on the way is followed into each of its items. */
function censored(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (step === undefined) return CENSORED;
  if (Array.isArray(value)) return value.map((item) => censored(item, [step, ...rest]));
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return value;
  return { ...value, [step]: censored((value as Record<string, unknown>)[step], rest) };
}

/** A copy of plain data in which the texts and numbers of a set are censored. */
function without(value: unknown, values: ReadonlySet<string>): unknown {
  if (values.size === 0) return value;
  if (typeof value === 'string' || typeof value === 'number')
    return values.has(String(value)) ? CENSORED : value;
  if (Array.isArray(value)) return value.map((item) => without(item, values));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, without(item, values)]));
}

function valueAt(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (step === undefined) return value;
  if (Array.isArray(value)) return value.map((item) => valueAt(item, [step, ...rest]));
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
  return valueAt((value as Record<string, unknown>)[step], rest);
}

/** Every text and number in a value; of an object that a schema made, such as a Date, what JSON makes of it too. */
function leaves(value: unknown, depth = 0): string[] {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return [String(value)];
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return [];
  if (value instanceof Map || value instanceof Set)
    return [...value].flatMap((item) => leaves(item, depth + 1));
  const { toJSON } = value as { toJSON?: unknown };
  const json = typeof toJSON === 'function' ? [String(value), ...leaves(toJSON.call(value), depth + 1)] : [];
  return [...json, ...Object.values(value).flatMap((item) => leaves(item, depth + 1))];
}

/** In place: the error keeps its class and code for who looks at them. */
function censorError(error: Error, clean: Clean, depth = 0): void {
  if (depth > MAX_DEPTH) return;
  // Loggers write the fields that were put on an error, too.
  const fields = Object.keys(error).filter((key) => key !== 'cause');
  for (const field of new Set(['message', 'stack', ...fields])) {
    const former = Reflect.get(error, field);
    const value = cleaned(former, clean);
    if (value !== former && !Reflect.set(error, field, value))
      Reflect.defineProperty(error, field, { value, configurable: true, writable: true });
  }
  const { cause, errors } = error as { cause?: unknown; errors?: unknown };
  if (cause instanceof Error) censorError(cause, clean, depth + 1);
  else if (cleaned(cause, clean) !== cause) Reflect.set(error, 'cause', cleaned(cause, clean));
  for (const each of Array.isArray(errors) ? errors : [])
    if (each instanceof Error) censorError(each, clean, depth + 1);
}

/** A value without secrets: itself where it holds none, else a copy. Only texts, lists and plain objects are looked into. */
function cleaned(value: unknown, clean: Clean, depth = 0): unknown {
  if (typeof value === 'string') return clean(value);
  if (typeof value === 'number') return clean(String(value)) === String(value) ? value : CENSORED;
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, cleaned(item, clean, depth + 1)] as const);
  if (entries.every(([key, item]) => item === (value as Record<string, unknown>)[key])) return value;
  return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
}
