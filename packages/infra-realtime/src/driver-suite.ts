import assert from 'node:assert/strict';
import type { BrokerMessage, RealtimeDriver } from './driver.ts';
import { until } from './until.ts';

/** The test runner's two functions: vitest's, or those of `node:test`. */
export interface SuiteRunner {
  describe(name: string, fn: () => void): void;
  it(name: string, fn: () => Promise<void>): void;
}

/** A driver, and what it told its hub. */
interface Node {
  readonly driver: RealtimeDriver;
  readonly got: BrokerMessage[];
}

/**
 * Registers the tests that every {@link RealtimeDriver} passes. `connect` returns a new driver on the same empty broker
 * each time, as a process of its own would have; `fresh` empties or replaces that broker before each test.
 */
export function realtimeDriverSuite(
  { describe, it }: SuiteRunner,
  name: string,
  { fresh, connect }: { fresh(): void | Promise<void>; connect(): RealtimeDriver | Promise<RealtimeDriver> },
): void {
  const test = (title: string, body: (a: Node, b: Node) => Promise<void>): void =>
    it(title, async () => {
      await fresh();
      const [a, b] = [await start(await connect()), await start(await connect())];
      try {
        await body(a, b);
      } finally {
        await a.driver.close();
        await b.driver.close();
      }
    });
  const bodies = ({ got }: Node): string[] => got.map((message) => message.body);
  const ada = { id: 'ada', info: '{"name":"Ada"}' };

  describe(`the realtime driver contract: ${name}`, () => {
    test('carries a message to every process that is subscribed, the publisher too', async (a, b) => {
      await Promise.all([a.driver.subscribe('c'), b.driver.subscribe('c')]);
      await a.driver.publish({ channel: 'c', body: '{"d":"ü☃\\u0000"}', except: 'x' });
      await until(() => a.got.length === 1 && b.got.length === 1);
      const { channel, body, except } = b.got[0] as BrokerMessage;
      assert.deepEqual({ channel, body, except }, { channel: 'c', body: '{"d":"ü☃\\u0000"}', except: 'x' });
    });
    test('keeps the kind of a message', async (a, b) => {
      await b.driver.subscribe('$user:1');
      await a.driver.publish({ channel: '$user:1', kind: 'disconnect', body: '4003' });
      await until(() => b.got.length === 1);
      assert.equal(b.got[0]?.kind, 'disconnect');
      assert.equal(b.got[0]?.body, '4003');
    });
    test('carries nothing of other channels, however alike their names', async (a, b) => {
      await b.driver.subscribe('c');
      for (const channel of ['c2', 'C', 'c*', 'c.d']) await a.driver.publish({ channel, body: channel });
      await a.driver.publish({ channel: 'c', body: 'mine' });
      await until(() => b.got.length > 0);
      assert.deepEqual(bodies(b), ['mine']);
    });
    test('keeps the order of a channel', async (a, b) => {
      await b.driver.subscribe('c');
      const sent = Array.from({ length: 100 }, (_, i) => String(i));
      await Promise.all(sent.map((body) => a.driver.publish({ channel: 'c', body })));
      await until(() => b.got.length === sent.length);
      assert.deepEqual(bodies(b), sent);
    });
    test('carries nothing more after unsubscribe', async (a, b) => {
      await Promise.all([a.driver.subscribe('c'), b.driver.subscribe('c')]);
      await b.driver.unsubscribe('c');
      await b.driver.unsubscribe('never');
      await a.driver.publish({ channel: 'c', body: 'late' });
      await until(() => a.got.length === 1);
      assert.deepEqual(bodies(b), []);
    });
    test('lets the last of subscribe and unsubscribe win when none was awaited', async (a, b) => {
      const calls = [b.driver.subscribe('c'), b.driver.unsubscribe('c'), b.driver.subscribe('c')];
      await Promise.all(calls);
      await a.driver.publish({ channel: 'c', body: 'here' });
      await until(() => b.got.length === 1);
      assert.deepEqual(bodies(b), ['here']);
    });
    test('says which connection of a member is the first and which the last, over processes', async (a, b) => {
      assert.equal(await a.driver.join('c', ada, 'tab-1'), true);
      assert.equal(await b.driver.join('c', ada, 'tab-2'), false);
      assert.equal(await a.driver.leave('c', 'ada', 'tab-1'), false);
      assert.equal(await a.driver.leave('c', 'ada', 'tab-1'), false);
      assert.equal(await b.driver.leave('c', 'ada', 'tab-2'), true);
      assert.deepEqual(await a.driver.members('c'), []);
    });
    test('lists members in the order in which they came, with what was last said of them', async (a, b) => {
      await a.driver.join('c', ada, 'tab-1');
      await b.driver.join('c', { id: '__proto__' }, 'x');
      await b.driver.join('c', { id: 'ada', info: '{"name":"Countess"}' }, 'tab-2');
      const expected = [{ id: 'ada', info: '{"name":"Countess"}' }, { id: '__proto__' }];
      assert.deepEqual(await a.driver.members('c'), expected);
      assert.deepEqual(await a.driver.members('none'), []);
    });
    test('counts one of many who join at once as the first', async (a, b) => {
      const joins = Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).driver.join('c', ada, `tab-${i}`));
      assert.equal((await Promise.all(joins)).filter(Boolean).length, 1);
    });
    test('takes what a process added to presence away when it closes', async (a, b) => {
      await a.driver.join('c', ada, 'tab-1');
      await b.driver.join('c', { id: 'bob' }, 'tab-2');
      await a.driver.close();
      assert.deepEqual(await b.driver.members('c'), [{ id: 'bob' }]);
    });
    test('carries nothing to a process that closed, and closes twice without harm', async (a, b) => {
      await Promise.all([a.driver.subscribe('c'), b.driver.subscribe('c')]);
      await a.driver.close();
      await a.driver.close();
      await b.driver.publish({ channel: 'c', body: 'm' });
      await until(() => b.got.length === 1);
      assert.deepEqual(bodies(a), []);
    });
  });
}

async function start(driver: RealtimeDriver): Promise<Node> {
  const got: BrokerMessage[] = [];
  const ignore = (): void => undefined;
  driver.start({
    message: (message) => got.push(message),
    gap: ignore,
    expired: ignore,
    returned: ignore,
    opened: ignore,
  });
  await driver.ready();
  return { driver, got };
}
