/** The unit a metric's name ends in, where it is one that buckets are known for. */
export type Unit = 'milliseconds' | 'seconds' | 'bytes';

const MILLISECONDS = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BYTES = Array.from({ length: 11 }, (_, power) => 256 * 4 ** power);
const PLAIN = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/** The unit in a name: `response_time_ms`, `upload_bytes`. */
export function unitOf(name: string): Unit | undefined {
  if (typeof name !== 'string') return undefined;
  if (/_(ms|milliseconds)$/.test(name)) return 'milliseconds';
  if (/_(s|seconds)$/.test(name)) return 'seconds';
  return /_bytes$/.test(name) ? 'bytes' : undefined;
}

/** Upper bounds that fit a metric of this name: 5 ms to 10 s, 256 bytes to 256 MiB, else 1 to 10,000. */
export function inferBuckets(name: string): readonly number[] {
  switch (unitOf(name)) {
    case 'milliseconds':
      return MILLISECONDS;
    case 'seconds':
      return SECONDS;
    case 'bytes':
      return BYTES;
    default:
      return PLAIN;
  }
}
