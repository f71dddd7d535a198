/** Keeps values of one payload out of what others read. */
export interface Redactor {
  /** The error itself, with those values taken out of its message and stack, and out of those of its causes. */
  error(error: Error): Error;
  /** A copy of the payload without them. */
  payload(): unknown;
}

const CENSORED = '[redacted]';
/** Shorter values would take unrelated parts of a text along. */
const MIN_LENGTH = 4;

/** Makes a {@link Redactor} for fields of a payload; `undefined` when there are none to keep out. */
export function redactor(paths: readonly string[], payload: () => unknown): Redactor | undefined {
  if (paths.length === 0) return undefined;
  const fields = paths.map((path) => path.split('.'));
  return {
    payload: () => fields.reduce(censored, payload()),
    error(error) {
      const found = fields.flatMap((steps) => leaves(valueAt(payload(), steps)));
      const texts = found.filter((text) => text.length >= MIN_LENGTH).sort((a, b) => b.length - a.length);
      if (texts.length > 0) censorError(error, texts);
      return error;
    },
  };
}

/** A copy in which the value at a path is censored. A list on the way is followed into each of its items. */
function censored(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (step === undefined) return CENSORED;
  if (Array.isArray(value)) return value.map((item) => censored(item, [step, ...rest]));
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return value;
  return { ...value, [step]: censored((value as Record<string, unknown>)[step], rest) };
}

function valueAt(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (step === undefined) return value;
  if (Array.isArray(value)) return value.map((item) => valueAt(item, [step, ...rest]));
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
  return valueAt((value as Record<string, unknown>)[step], rest);
}

/** Every text and number in a value. */
function leaves(value: unknown): string[] {
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [];
}

/** In place: the error keeps its class and code for who looks at them. */
function censorError(error: Error, texts: readonly string[], depth = 0): void {
  const clean = (text: string): string =>
    texts.reduce((result, secret) => result.replaceAll(secret, CENSORED), text);
  for (const field of ['message', 'stack'] as const) {
    const text = error[field];
    const value = typeof text === 'string' ? clean(text) : text;
    if (value !== text && !Reflect.set(error, field, value))
      Reflect.defineProperty(error, field, { value, configurable: true, writable: true });
  }
  if (error.cause instanceof Error && depth < 10) censorError(error.cause, texts, depth + 1);
}
