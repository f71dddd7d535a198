import { expect, test } from 'vitest';
import { heap } from '../src/drivers/heap.ts';

interface Item {
  place: number;
  n: number;
}

test('gives back in order what went in in any, also after removals from the middle', () => {
  const queue = heap<Item>((a, b) => a.n < b.n);
  let seed = 42;
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed;
  };
  const live = new Set<Item>();
  for (let step = 0; step < 3000; step += 1) {
    if (step % 3 === 2) {
      const victim = [...live][random() % live.size] as Item;
      queue.remove(victim);
      live.delete(victim);
      expect(victim.place).toBe(-1);
    } else {
      const item = { place: -1, n: random() };
      queue.push(item);
      live.add(item);
    }
  }
  expect(queue.size).toBe(live.size);
  const out: number[] = [];
  for (let item = queue.pop(); item; item = queue.pop()) out.push(item.n);
  expect(out).toEqual([...live].map(({ n }) => n).sort((a, b) => a - b));
  expect(queue.peek()).toBeUndefined();
});
