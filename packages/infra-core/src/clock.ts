/** Where a module takes the time and its timers from, so that a test can hold them. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `fn` once after `ms`; the returned function cancels it. The timer never keeps the process alive. */
  after(ms: number, fn: () => void): () => void;
}

/** The longest wait one Node timer can hold; a longer one would fire at once. */
const LONGEST = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    let timer: NodeJS.Timeout;
    const wait = (left: number): void => {
      timer = setTimeout(() => (left > LONGEST ? wait(left - LONGEST) : fn()), Math.min(left, LONGEST));
      timer.unref();
    };
    wait(ms);
    return () => clearTimeout(timer);
  },
};
