/** Does the work `times` times. */
export type Work = (times: number) => void | Promise<void>;

/**
 * How often the work is done in a second of processor time, which a busy machine changes less than a second on the
 * clock. The work is warmed up until its pace is known, then measured over about `ms` milliseconds of it.
 */
export async function perCpuSecond(work: Work, { ms = 500 } = {}): Promise<number> {
  let times = 1;
  let taken = await cpuOf(work, times);
  while (taken < ms / 4) {
    times *= taken < ms / 40 ? 10 : 2;
    taken = await cpuOf(work, times);
  }
  const measured = Math.ceil((times * ms) / taken);
  return (measured / (await cpuOf(work, measured))) * 1000;
}

/** Milliseconds of processor time, those of garbage collection included. */
async function cpuOf(work: Work, times: number): Promise<number> {
  const before = process.cpuUsage();
  await work(times);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
