import { setTimeout as sleep } from 'node:timers/promises';
import { chaos, type Random } from '../../src/chaos.ts';
import { type Fleet, producer, until, withRedis } from './fleet.ts';

const PROCESSES = 5;
const HOUR = 3_600_000;
const NODE_OPTIONS = `--import=${new URL('programs/clock.mjs', import.meta.url)}`;

interface Tick {
  readonly name: string;
  readonly at: number;
  readonly attempt: number;
}

/** The runs that processes have said, by cron and tick. */
const ticksOf = (fleet: Fleet): Tick[] =>
  fleet.lines
    .map((line) => line.split(' '))
    .map(([, name = '', at, attempt]) => ({ name, at: Number(at), attempt: Number(attempt) }))
    .sort((a, b) => a.at - b.at);

/** Starts processes, each on a clock that may be five minutes off. */
const startAll = (
  fleet: Fleet,
  random: Random,
  crons: readonly object[],
  count = PROCESSES,
): Promise<unknown> =>
  Promise.all(
    Array.from({ length: count }, () =>
      fleet.start('crons.ts', {
        NODE_OPTIONS,
        CLOCK_AHEAD: String(random.pick([0, 0, -300_000, 300_000])),
        CRONS: JSON.stringify(crons),
      }),
    ),
  );

/** Something that happens to the processes. What it was. */
async function upheaval(
  random: Random,
  fleet: Fleet,
  crons: (deploy: number) => object[],
  deploy: number,
): Promise<string> {
  const kind = random.pick(['kill one', 'kill one', 'deploy', 'kill all', 'stop all']);
  const signal = kind === 'kill one' || kind === 'kill all' ? 'SIGKILL' : 'SIGTERM';
  if (kind === 'kill one') {
    random.pick([...fleet.alive]).kill(signal);
    await startAll(fleet, random, crons(deploy - 1), 1);
    return kind;
  }
  const former = [...fleet.alive];
  // A rolling deploy: the new ones are there before the old ones go.
  if (kind === 'deploy') await startAll(fleet, random, crons(deploy));
  for (const child of former) child.kill(signal);
  await until(() => former.every((child) => !fleet.alive.has(child)), 30_000);
  if (kind === 'deploy') return kind;
  await sleep(1000 + random.below(6000));
  await startAll(fleet, random, crons(deploy));
  return kind;
}

export const everyTick = chaos({
  case: 'five processes with a cron, clocks five minutes off, are killed, stopped and deployed: each tick runs once',
  runs: 2,
  run: ({ random }) =>
    withRedis(async (redis, fleet) => {
      // What is not its times changes with each deploy.
      const crons = (deploy: number): object[] => [
        ...[
          {
            name: 'tick',
            schedule: '* * * * * *',
            overlap: 'allow',
            catchUp: { all: true, max: 900 + deploy },
          },
        ],
      ];
      await startAll(fleet, random, crons(0));
      const happened: string[] = [];
      for (let i = 1; i <= 10; i += 1) {
        await sleep(1000 + random.below(3000));
        happened.push(await upheaval(random, fleet, crons, i));
      }
      const end = Math.floor(Date.now() / 1000) * 1000 + 2000;
      const ran = (): Tick[] => ticksOf(fleet).filter(({ at }) => at <= end);
      const missing = (): number[] => {
        const seen = new Set(ran().map(({ at }) => at));
        const first = Math.min(...seen);
        const all = Array.from({ length: (end - first) / 1000 + 1 }, (_, i) => first + 1000 * i);
        return all.filter((at) => !seen.has(at));
      };
      // What a killed process ran comes back, as another attempt.
      const complete = await until(() => missing().length === 0, 90_000);
      const { queue } = await producer(redis);
      const settled = await until(async () => (await queue.jobs({ state: 'delayed' })).length === 0, 30_000);
      const ticks = ran();
      const firstAttempts = ticks.filter(({ attempt }) => attempt === 1).map(({ at }) => at);
      const twice = firstAttempts.filter((at, i) => at === firstAttempts[i - 1]);
      const again = ticks.filter(({ attempt }) => attempt > 1).length;
      const ledger = { happened, ticks: ticks.length - again, again };
      return {
        expected: { complete: true, settled: true, missing: [], twice: [], ledger },
        seen: { complete, settled, missing: missing().slice(0, 10), twice: twice.slice(0, 10), ledger },
      };
    }),
});

export const catchUp = chaos({
  case: 'five processes after hours of downtime, their crons changed or not: each policy to the tick',
  runs: 3,
  run: ({ random }) =>
    withRedis(async (redis, fleet) => {
      // Half an hour from any tick, so that none comes while this runs.
      const minute = (new Date().getUTCMinutes() + 30) % 60;
      const last = Math.floor((Date.now() - HOUR / 2) / 60_000) * 60_000;
      const hours = 1 + random.below(30);
      const max = 1 + random.below(20);
      const missed = Array.from({ length: hours }, (_, i) => last - (hours - 1 - i) * HOUR);
      const crons = (kind: string, at: number): { name: string }[] => [
        { name: `${kind}-none`, ...{ schedule: `${at} * * * *`, catchUp: 'none' } },
        { name: `${kind}-latest`, ...{ schedule: `${at} * * * *`, catchUp: 'latest' } },
        {
          name: `${kind}-all`,
          ...{ schedule: `${at} * * * *`, overlap: 'allow', catchUp: { all: true, max } },
        },
      ];
      const before = [...crons('same', minute), ...crons('moved', minute)];
      await startAll(fleet, random, before);
      const gone = [...fleet.alive];
      for (const child of gone) child.kill('SIGKILL');
      await until(() => fleet.alive.size === 0, 30_000);
      // The record of what has run, as it would be had they been away for so long.
      for (const { name } of before)
        await redis.command('HSET', '{infra-cron}:cron:infra:next', name, String(missed[0]));

      await startAll(fleet, random, [...crons('same', minute), ...crons('moved', (minute + 1) % 60)]);
      const { queue } = await producer(redis);
      const settled = await until(async () => {
        const { waiting, delayed, active } = await queue.stats();
        const stored = await queue.crons();
        return waiting + delayed + active === 0 && stored.every(({ next }) => next.getTime() > Date.now());
      }, 60_000);
      const ran = (name: string): number[] =>
        ticksOf(fleet)
          .filter((tick) => tick.name === name)
          .map(({ at }) => at);
      const asked = { none: [], latest: missed.slice(-1), all: missed.slice(-max) };
      const seenOf = (kind: string): object => ({
        none: ran(`${kind}-none`),
        latest: ran(`${kind}-latest`),
        all: ran(`${kind}-all`),
      });
      return {
        expected: { settled: true, same: asked, moved: asked },
        seen: { settled, same: seenOf('same'), moved: seenOf('moved') },
      };
    }),
});
