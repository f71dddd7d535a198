import { expect, test } from 'vitest';
import { createLogger, REDACTED } from '../src/logging.ts';
import { redact } from '../src/redaction.ts';

const SECRET = 'hunter2';

function written(
  fields: object,
  options: { redact?: string[]; child?: Record<string, unknown> } = {},
): string {
  let text = '';
  const log = createLogger({
    env: {},
    destination: {
      write: (line) => {
        text += line;
      },
    },
    ...(options.redact ? { redact: options.redact } : {}),
  });
  (options.child ? log.child(options.child) : log).info(fields, 'm');
  return text;
}

test.each(REDACTED)('%s is not written: at the top, one level down, two levels down, in a child', (name) => {
  const secret = { [name]: SECRET };
  for (const fields of [secret, { user: secret }, { req: { body: secret } }, { users: [secret] }]) {
    const line = written(fields);
    expect(line).not.toContain(SECRET);
    expect(line).toContain('[redacted]');
  }
  expect(written({}, { child: secret })).not.toContain(SECRET);
  expect(written({}, { child: { user: secret } })).not.toContain(SECRET);
});

test.each(['Authorization', 'API_KEY', 'api-key', 'x-api-key', 'Set-Cookie', 'access_token', 'PASSWORD'])(
  '%s is the same name in another spelling',
  (name) => {
    expect(written({ headers: { [name]: SECRET } })).not.toContain(SECRET);
    expect(written({ req: { headers: { [name]: SECRET } } })).not.toContain(SECRET);
  },
);

test('secrets of an error, and of what hangs on it, are not written', () => {
  const error = Object.assign(new Error('request failed'), {
    token: SECRET,
    config: { headers: { Authorization: SECRET } },
  });
  const line = written({ err: error });
  expect(line).not.toContain(SECRET);
  expect(JSON.parse(line).err).toMatchObject({ message: 'request failed', token: '[redacted]' });
  expect(written(error)).not.toContain(SECRET);
  expect(written({ error })).not.toContain(SECRET);
});

test('secrets of class instances, and of what toJSON returns, are not written', () => {
  class User {
    readonly name = 'Ann';
    readonly password = SECRET;
  }
  const document = { toJSON: () => ({ name: 'Ann', password: SECRET }) };
  for (const user of [new User(), document])
    expect(JSON.parse(written({ user })).user).toEqual({ name: 'Ann', password: '[redacted]' });
});

test('other fields stay as they are, and what looks alike is none of ours', () => {
  const at = new Date(0);
  const fields = { tokens: 5, passwordLength: 8, at, list: [1, { a: 2 }], nothing: null, big: new Map() };
  expect(redact(fields)).toBe(fields);
  expect(JSON.parse(written(fields))).toMatchObject({ tokens: 5, passwordLength: 8, at: at.toJSON() });
});

test('a secret that is not there is not invented', () => {
  expect(redact({ password: undefined, token: null })).toEqual({ password: undefined, token: null });
});

test('paths of one’s own are redacted as well', () => {
  const line = written({ user: { iban: SECRET, password: SECRET } }, { redact: ['user.iban'] });
  expect(line).not.toContain(SECRET);
  expect(JSON.parse(line).user).toEqual({ iban: '[redacted]', password: '[redacted]' });
});

test('an object that holds itself, or cannot be read, does not break the line', () => {
  const circle: Record<string, unknown> = { password: SECRET };
  circle.self = circle;
  expect(written({ circle })).toContain('"msg":"m"');
  const unreadable = {
    get broken(): never {
      throw new Error('no');
    },
  };
  expect(written({ unreadable })).toContain('"msg":"m"');
});

test('a name from Object.prototype is no secret', () => {
  expect(redact(JSON.parse('{"__proto__":1,"constructor":2}'))).toEqual(
    JSON.parse('{"__proto__":1,"constructor":2}'),
  );
});
