import { expect, test } from 'vitest';
import { describeTarget, parseRedisUrl } from '../src/url.ts';

test.each([
  ['redis://localhost', { mode: 'single', tls: false, nodes: [{ host: 'localhost', port: 6379 }], db: 0 }],
  ['  REDIS://localhost:7000/3 ', { nodes: [{ host: 'localhost', port: 7000 }], db: 3 }],
  ['rediss://h:1/', { tls: true, nodes: [{ host: 'h', port: 1 }], db: 0 }],
  ['redis://[::1]:7000', { nodes: [{ host: '::1', port: 7000 }] }],
  ['redis://user:pass@h', { username: 'user', password: 'pass' }],
  ['redis://:p%40ss%2Fword@h', { password: 'p@ss/word' }],
  ['redis://:p@ss:word@h', { password: 'p@ss:word', nodes: [{ host: 'h', port: 6379 }] }],
  [
    'rediss://h?family=6&ca=/etc/ca.pem&servername=redis.internal',
    { family: 6, ca: '/etc/ca.pem', servername: 'redis.internal' },
  ],
  [
    'redis+sentinel://:pw@a,b:7000/mymaster/2?sentinelPassword=spw',
    {
      mode: 'sentinel',
      nodes: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 7000 },
      ],
      master: 'mymaster',
      db: 2,
      password: 'pw',
      sentinelPassword: 'spw',
    },
  ],
  ['rediss+sentinel://a/my%20master', { mode: 'sentinel', tls: true, master: 'my master' }],
  [
    'redis+cluster://u:p@a:7000,[::1]:7001',
    {
      mode: 'cluster',
      username: 'u',
      nodes: [
        { host: 'a', port: 7000 },
        { host: '::1', port: 7001 },
      ],
    },
  ],
])('%s is understood', (url, expected) => {
  expect(parseRedisUrl(url)).toMatchObject(expected);
});

test('a user without a password in the URL leaves none', () => {
  expect(parseRedisUrl('redis://:@h')).not.toHaveProperty('password');
  expect(parseRedisUrl('redis://@h')).not.toHaveProperty('username');
});

test.each([
  ['', 'not of the expected form'],
  ['localhost:6379', 'not of the expected form'],
  ['http://h', 'not of the expected form'],
  ['redis+sentinels://h/m', 'not of the expected form'],
  ['redis://h#1', 'not of the expected form'],
  ['redis://', 'not of the expected form'],
  ['redis://h:', 'host and port'],
  ['redis://h:0', 'host and port'],
  ['redis://h:65536', 'host and port'],
  ['redis://h:port', 'host and port'],
  ['redis://::1', 'host and port'],
  ['redis://h/a', 'not the number of a database'],
  ['redis://h/-1', 'not the number of a database'],
  ['redis://h/1/2', 'not the number of a database'],
  ['redis://a,b', 'it names several hosts'],
  ['redis+sentinel://a', 'it does not name the master'],
  ['redis+sentinel://a/m/x', 'not the number of a database'],
  ['redis+cluster://a/1', 'a cluster has only one'],
  ['redis://s3cret@h', 'a user name without a password'],
  ['redis://:%zz@h', 'not followed by two digits'],
  ['redis://h?tls=true', 'unknown parameter "tls"'],
  ['redis://h?family=5', 'its family is not 0, 4 or 6'],
  ['redis://h?sentinelPassword=x', 'unknown parameter "sentinelPassword"'],
])('%s is refused with a reason', (url, reason) => {
  expect(() => parseRedisUrl(url)).toThrow(
    expect.objectContaining({ code: 'E_REDIS_URL', message: expect.stringContaining(reason) }),
  );
});

test('no message holds the password', () => {
  for (const url of [
    'redis://u:s3cret@h:x',
    'redis://:s3cret@a,b',
    'redis+cluster://:s3cret@a/1',
    'redis://s3cret@h',
    'x://:s3cret@h',
  ])
    expect(() => parseRedisUrl(url)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('s3cret') }),
    );
});

test.each([
  ['redis://u:p@localhost', 'redis://localhost:6379'],
  ['rediss://:p@[::1]/4?ca=/x', 'rediss://[::1]:6379/4'],
  ['redis+sentinel://:p@a,b/m/1', 'redis+sentinel://a:26379,b:26379/m/1'],
  ['rediss+cluster://a,b', 'rediss+cluster://a:6379,b:6379'],
])('%s is shown as %s', (url, shown) => {
  expect(describeTarget(parseRedisUrl(url))).toBe(shown);
});
