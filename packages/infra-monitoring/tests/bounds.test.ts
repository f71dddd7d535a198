import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  createMonitoring,
  createRegistry,
  type Monitoring,
  type Registry,
} from '@vibeonrails/infra-monitoring';
import { afterEach, beforeEach, expect, test } from 'vitest';

const MB = 1024 ** 2;

let monitoring: Monitoring;
let registry: Registry;
beforeEach(() => {
  monitoring = createMonitoring({ env: {} });
  registry = monitoring.registry;
});
afterEach(() => monitoring.close());

/** What `work` left in memory, in bytes, beyond what a first small round of it leaves. */
function kept(work: (from: number, to: number) => void, times: number, first = 2000): number {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const used = (): number => {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  work(0, first);
  const before = used();
  work(first, times);
  return used() - before;
}

test('the orders in which a label set is written take bounded memory', () => {
  const registry = createRegistry({ maxSeries: 10 });
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  /** The i-th order of the names. */
  const labels = (i: number): Record<string, string> => {
    const left = [...names];
    const ordered: Record<string, string> = {};
    for (let rest = i, size = names.length; size > 0; rest = Math.floor(rest / size), size -= 1)
      ordered[left.splice(rest % size, 1)[0] as string] = 'x';
    return ordered;
  };
  const ORDERS = 40_320;
  const growth = kept((from, to) => {
    for (let i = from; i < to; i += 1) registry.increment('jobs', 1, labels(i));
  }, ORDERS);
  expect(registry.value('jobs', labels(0))).toBe(ORDERS);
  expect(growth).toBeLessThan(3 * MB);
});

test.each([
  ['label values', (text, i) => registry.increment('jobs', 1, { user: text.slice(i, i + 40) })],
  ['label values that are too long', (text) => registry.increment('jobs', 1, { user: text })],
  ['metric names that are too long', (text) => registry.increment(text)],
  ['names of spans', (text) => monitoring.endSpan(monitoring.startSpan(text).spanId)],
  [
    'attributes of spans',
    (text) => monitoring.endSpan(monitoring.startSpan('x', { attributes: { text } }).spanId),
  ],
  [
    'errors of spans',
    (text) => monitoring.endSpan(monitoring.startSpan('x').spanId, { error: new Error(text) }),
  ],
] as [string, (text: string, i: number) => void][])(
  '%s that are cut out of a large text do not keep that text in memory',
  (_, record) => {
    const growth = kept(
      (from, to) => {
        for (let i = from; i < to; i += 1) record(`${i}`.padStart(7, '0') + 'x'.repeat(1e6), i % 5);
      },
      300,
      100,
    );
    expect(growth).toBeLessThan(20 * MB);
  },
);

test('the spellings of one name take bounded memory', () => {
  const registry = createRegistry({ maxMetrics: 10 });
  const SPELLINGS = 60_000;
  const growth = kept((from, to) => {
    // All of them clean to one name, and no two are the same.
    for (let i = from; i < to; i += 1)
      registry.increment(`jobs${i.toString(2).padStart(20, '0').replaceAll('0', '!').replaceAll('1', '?')}`);
  }, SPELLINGS);
  expect(registry.value(`jobs${'_'.repeat(20)}`)).toBe(SPELLINGS);
  expect(growth).toBeLessThan(3 * MB);
});
