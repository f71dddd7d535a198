/**
 * The jobs that a process runs from one queue, in memory that its threads share: what is written here is seen by another
 * thread also while the event loop of this one is blocked. One thread writes, any number read.
 */
export interface LockTable {
  readonly buffer: SharedArrayBuffer;
  /** Enters a job until it is released. `until`: when its lock need not be renewed any more. */
  hold(id: string, token: string, until: number): () => void;
}

/** A lock, and the job it is on. */
export interface HeldLock {
  readonly id: string;
  readonly token: string;
}

/** A row: an Int32 that changes with each write and is odd during one, an Int32 of the length, a Float64 of the time, text. */
const ROW = 512;
const TEXT = 16;
const ROOM = ROW - TEXT;

/** Makes a {@link LockTable} with room for so many jobs. */
export function lockTable(rows: number): LockTable {
  const buffer = new SharedArrayBuffer(rows * ROW);
  const numbers = new Int32Array(buffer);
  const times = new Float64Array(buffer);
  const bytes = Buffer.from(buffer);
  const free = Array.from({ length: rows }, (_, row) => row);
  const write = (row: number, change: () => void): void => {
    Atomics.add(numbers, (row * ROW) / 4, 1);
    change();
    Atomics.add(numbers, (row * ROW) / 4, 1);
  };
  const setLength = (row: number, length: number): void => {
    numbers[(row * ROW) / 4 + 1] = length;
  };
  return {
    buffer,
    hold(id, token, until) {
      const text = `${token} ${id}`;
      // Ids of other BullMQ clients may be of any length.
      const fits = text.length <= ROOM / 3 || Buffer.byteLength(text) <= ROOM;
      const row = fits ? free.pop() : undefined;
      if (row === undefined) return () => undefined;
      write(row, () => {
        times[(row * ROW) / 8 + 1] = until;
        setLength(row, bytes.write(text, row * ROW + TEXT, ROOM));
      });
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        write(row, () => setLength(row, 0));
        free.push(row);
      };
    },
  };
}

/** The locks of a table that are to be renewed at this time. A row that is being written is left for the next look. */
export function heldLocks(buffer: SharedArrayBuffer, now: number): HeldLock[] {
  const numbers = new Int32Array(buffer);
  const times = new Float64Array(buffer);
  const held: HeldLock[] = [];
  for (let start = 0; start < buffer.byteLength; start += ROW) {
    const before = Atomics.load(numbers, start / 4);
    const length = numbers[start / 4 + 1] ?? 0;
    if (before % 2 !== 0 || length === 0) continue;
    const until = times[start / 8 + 1] ?? 0;
    const text = Buffer.from(buffer, start + TEXT, length).toString();
    if (Atomics.load(numbers, start / 4) !== before || until <= now) continue;
    const blank = text.indexOf(' ');
    held.push({ token: text.slice(0, blank), id: text.slice(blank + 1) });
  }
  return held;
}
