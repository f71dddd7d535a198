import { expect, test } from 'vitest';
import { perCpuSecond } from '../src/cpu.ts';

/** Spends processor time, as processors count it. */
function burn(ms: number): void {
  const start = process.cpuUsage();
  for (;;) {
    const { user, system } = process.cpuUsage(start);
    if (user + system >= ms * 1000) return;
  }
}

test('work of a millisecond is done about a thousand times in a second of processor time', async () => {
  const rate = await perCpuSecond((times) => {
    for (let i = 0; i < times; i += 1) burn(1);
  });
  expect(rate).toBeGreaterThan(600);
  expect(rate).toBeLessThan(1100);
});

test('waiting is not work', async () => {
  let waited = false;
  const rate = await perCpuSecond(
    async (times) => {
      if (!waited) await new Promise((resolve) => setTimeout(resolve, 100));
      waited = true;
      for (let i = 0; i < times; i += 1) burn(2);
    },
    { ms: 100 },
  );
  expect(rate).toBeGreaterThan(300);
});
