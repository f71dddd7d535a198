/**
 * Fields whose value is never written to a log: matched without regard to case, `-` and `_`, so that `apiKey`,
 * `API_KEY` and `api-key` are one name.
 */
export const REDACTED: readonly string[] = [
  'password',
  'passwd',
  'pwd',
  'passphrase',
  'secret',
  'clientSecret',
  'token',
  'accessToken',
  'refreshToken',
  'idToken',
  'authToken',
  'xAuthToken',
  'apiKey',
  'xApiKey',
  'accessKey',
  'secretKey',
  'secretAccessKey',
  'privateKey',
  'authorization',
  'proxyAuthorization',
  'cookie',
  'setCookie',
  'creditCard',
  'cardNumber',
  'cvv',
];

/** What is written in place of a value. */
export const CENSOR = '[redacted]';

/** How far down a line its fields are looked at: `password`, `user.password`, `err.config.headers.authorization`. */
const DEPTH = 4;

const plain = (name: string): string => name.toLowerCase().replace(/[-_]/g, '');
const NAMES = new Set(REDACTED.map(plain));

/** Field names seen before: a program logs a few hundred of them, over and over. */
const known = new Map<string, boolean>();
const MAX_KNOWN = 2000;

function isSecretName(name: string): boolean {
  let answer = known.get(name);
  if (answer === undefined) {
    answer = NAMES.has(plain(name));
    if (known.size < MAX_KNOWN) known.set(name, answer);
  }
  return answer;
}

/**
 * The fields of a log line with secrets censored and errors spelled out. With neither among them it is the object
 * itself; nothing is ever changed in place.
 */
export function redact<T extends object>(fields: T, depth: number = DEPTH): T {
  try {
    return copyOnFind(fields, depth) as T;
  } catch {
    return fields; // a field that cannot be read cannot be written either
  }
}

function copyOnFind(value: object, depth: number): object {
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(value)) {
    const part = (value as Record<string, unknown>)[key];
    const safe = safePart(key, part, depth);
    if (safe === part) continue;
    copy ??= (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
    copy[key] = safe;
  }
  return copy ?? value;
}

function safePart(key: string, part: unknown, depth: number): unknown {
  if (part === undefined || part === null) return part;
  if (isSecretName(key)) return CENSOR;
  if (typeof part !== 'object' || depth <= 1 || part instanceof Date) return part;
  if (part instanceof Error) return copyOnFind(errorFields(part), depth - 1);
  const seen: unknown = 'toJSON' in part && typeof part.toJSON === 'function' ? part.toJSON(key) : part;
  if (typeof seen !== 'object' || seen === null) return part;
  const safe = copyOnFind(seen, depth - 1);
  return safe === seen ? part : safe;
}

const MAX_CAUSES = 5;
const MAX_ERRORS = 10;

/** An error as the fields of a log line: type, message, stack with those of its causes, and what hangs on it. */
export function errorFields(error: Error): Record<string, unknown> {
  const { name, message, stack: _, cause: __, ...own } = error;
  const { errors } = error as { errors?: unknown };
  return {
    type: error.constructor?.name || name,
    message,
    stack: stackOf(error),
    ...(Array.isArray(errors) ? { errors: errors.slice(0, MAX_ERRORS) } : {}),
    ...own,
  };
}

function stackOf(error: Error): string {
  const stacks: string[] = [];
  for (let at: unknown = error; at instanceof Error && stacks.length < MAX_CAUSES; at = at.cause)
    stacks.push(at.stack ?? `${at.name}: ${at.message}`);
  return stacks.join('\ncaused by: ');
}
