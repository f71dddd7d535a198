import type { Registry } from '@vibeonrails/infra-monitoring';

/** Reproducible randomness (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const PARTS = [
  'a',
  'b_total',
  '_count',
  '_sum',
  '_bucket',
  '_ms',
  '_bytes',
  'le',
  '__proto__',
  'constructor',
  '0',
  '_',
];
const TEXTS = [
  '"',
  '\\',
  '\n',
  '\r',
  ',',
  '=',
  '{',
  '}',
  '#',
  ' ',
  '\0',
  'é',
  '☃',
  '😀',
  '\uD800',
  '\uDFFF',
  'x',
  '',
];
const VALUES = [
  0,
  -0,
  1,
  -1,
  0.1,
  1e-9,
  1e21,
  1e300,
  -1e300,
  5,
  Number.NaN,
  Infinity,
  -Infinity,
  Number.MAX_VALUE,
];

/** Records two thousand samples of every kind under names, labels and values of every kind. */
export function play(registry: Registry, seed: number): void {
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const text = (list: readonly string[]): string =>
    Array.from({ length: Math.floor(next() * 4) }, () => pick(list)).join('');
  const label = (): unknown =>
    pick([text(TEXTS), text(PARTS), next(), true, null, undefined, 1n, {}, 'x'.repeat(300)]);
  for (let step = 0; step < 2000; step += 1) {
    const name = text(next() < 0.8 ? PARTS : [...PARTS, ...TEXTS]);
    const labels: Record<string, unknown> = {};
    for (let i = Math.floor(next() * 4); i > 0; i -= 1)
      Object.defineProperty(labels, text([...PARTS, ...TEXTS]), {
        value: label(),
        enumerable: true,
        configurable: true,
      });
    const call = pick(['increment', 'decrement', 'gauge', 'observe'] as const);
    registry[call](name, pick(VALUES), labels as never);
  }
}
