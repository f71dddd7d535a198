/** An item that knows its place in the heap that holds it. */
export interface HeapItem {
  /** Kept by the heap. -1 outside of any. */
  place: number;
}

/** Items in order, the first at hand: adding and taking out, also from the middle, cost the logarithm of the size. */
export interface Heap<T extends HeapItem> {
  readonly size: number;
  /** The items, the first one first and the rest in no order. */
  readonly items: readonly T[];
  peek(): T | undefined;
  push(item: T): void;
  pop(): T | undefined;
  /** Takes out an item that is in this heap. */
  remove(item: T): void;
}

/** Makes a {@link Heap}. `before(a, b)` is true when `a` comes first. */
export function heap<T extends HeapItem>(before: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = [];
  const put = (item: T, place: number): void => {
    items[place] = item;
    item.place = place;
  };
  const rise = (item: T, from: number): number => {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = items[above] as T;
      if (!before(item, parent)) break;
      put(parent, place);
      place = above;
    }
    put(item, place);
    return place;
  };
  const sink = (item: T, from: number): void => {
    let place = from;
    for (;;) {
      const left = 2 * place + 1;
      if (left >= items.length) break;
      const right = left + 1;
      const child = right < items.length && before(items[right] as T, items[left] as T) ? right : left;
      if (!before(items[child] as T, item)) break;
      put(items[child] as T, place);
      place = child;
    }
    put(item, place);
  };
  const remove = (item: T): void => {
    const place = item.place;
    const last = items.pop() as T;
    if (last !== item) sink(last, rise(last, place));
    item.place = -1;
  };
  return {
    items,
    get size() {
      return items.length;
    },
    peek: () => items[0],
    push: (item) => {
      items.push(item);
      rise(item, items.length - 1);
    },
    pop: () => {
      const [first] = items;
      if (first) remove(first);
      return first;
    },
    remove,
  };
}
