import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { askScript } from '@vibeonrails/bench/child';
import { runServices } from '@vibeonrails/bench/services';
import {
  countOption,
  type Machine,
  machineLine,
  readCommand,
  table,
  thisMachine,
  UsageError,
} from '@vibeonrails/bench/terminal';
import { casesOf, type Found, modulesIn } from './catalogue.ts';
import type { Outcome } from './chaos.ts';

/** Where the program writes, and where it finds its cases. */
export interface Surroundings {
  /** The folder that holds one folder a module. */
  readonly root: string;
  /** Standard output: the report, and nothing else. */
  readonly print: (text: string) => void;
  /** Standard error: progress. */
  readonly say: (line: string) => void;
}

/** One run of one case. */
export interface Row {
  readonly case: string;
  /** Give it to `--seed` to have this run again. */
  readonly seed: number;
  readonly expected: unknown;
  readonly seen: unknown;
  readonly met: boolean;
}

/** What a run of cases comes to. */
export interface Report {
  readonly module: string;
  readonly machine: Machine;
  readonly rows: readonly Row[];
  /** Cases that could not be run, and why. */
  readonly skipped: readonly { readonly case: string; readonly reason: string }[];
}

const usage = (modules: readonly string[]): string => `Usage: npx pnpm chaos <module> [options]

Runs a module under random faults and compares what should have come out with what did.

  --json          print the report as one JSON document
  --seed <n>      the first run's seed (default: by chance; each row names its own)
  --runs <n>      runs of each case (default: as many as the case asks for)
  --case <text>   only the cases whose name holds the text
  -h, --help      this text

Modules: ${modules.join(', ')}
Progress goes to standard error. The exit code is 1 when something did not come out as expected.`;

/** Runs the program and returns its exit code: 0, 1 when an expectation was not met, 2 for a wrong command line. */
export async function main(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const { root, print, say } = surroundings;
  try {
    const { module, help, json, options } = readCommand(args, ['seed', 'runs', 'case']);
    if (help) {
      print(usage(await modulesIn(root)));
      return 0;
    }
    if (!module) throw new UsageError('Which module?');
    const seed = countOption('seed', options.seed, randomInt(1, 1_000_000));
    const runs = options.runs === undefined ? undefined : countOption('runs', options.runs, 1);
    const cases = (await casesOf(root, module)).filter(({ chaos }) =>
      chaos.case.includes(options.case ?? ''),
    );
    const report = await runAll(module, cases, { seed, runs, say });
    print(json ? JSON.stringify(report, null, 2) : format(report));
    return report.rows.every((row) => row.met) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    say(`${error.message}\n\n${usage(await modulesIn(root))}`);
    return 2;
  }
}

interface RunOptions {
  readonly seed: number;
  readonly runs: number | undefined;
  readonly say: (line: string) => void;
}

async function runAll(
  module: string,
  cases: readonly Found[],
  { seed, runs, say }: RunOptions,
): Promise<Report> {
  const machine = thisMachine();
  const services = runServices(say);
  const rows: Row[] = [];
  const skipped: { case: string; reason: string }[] = [];
  try {
    for (const one of cases) {
      const name = one.chaos.case;
      const servers = await services.environment(one.chaos.services ?? []);
      if ('missing' in servers) {
        skipped.push({ case: name, reason: servers.missing });
        continue;
      }
      for (let i = 0; i < (runs ?? one.chaos.runs); i += 1) {
        const row = await runOnce(one, seed + i, servers.env);
        say(`${name}: seed ${row.seed} ${row.met ? 'met' : 'NOT met'}`);
        rows.push(row);
      }
    }
  } finally {
    await services.stop();
  }
  return { module, machine, rows, skipped };
}

async function runOnce(
  { file, chaos }: Found,
  seed: number,
  env: Readonly<Record<string, string>>,
): Promise<Row> {
  const script = new URL('run-one.ts', import.meta.url);
  let outcome: Outcome;
  try {
    outcome = (await askScript(script, [file, chaos.case, String(seed)], env)) as Outcome;
  } catch (error) {
    outcome = { expected: 'a run to its end', seen: error instanceof Error ? error.message : String(error) };
  }
  const { expected, seen } = outcome;
  return { case: chaos.case, seed, expected, seen, met: isDeepStrictEqual(expected, seen) };
}

/** A report for people: what was as expected is counted, what was not is shown. */
function format({ module, machine, rows, skipped }: Report): string {
  const names = [...new Set(rows.map((row) => row.case))];
  const lines = names.map((name) => {
    const runs = rows.filter((row) => row.case === name);
    const met = runs.filter((row) => row.met).length;
    return [name, `${runs[0]?.seed}–${runs.at(-1)?.seed}`, `${met} of ${runs.length}`];
  });
  const broken = rows.filter((row) => !row.met);
  return [
    `${module}: ${rows.length} runs`,
    machineLine(machine),
    '',
    table([['case', 'seeds', 'met'], ...lines]),
    ...broken.map(
      (row) =>
        `\n${row.case}, --seed ${row.seed}\n  expected ${JSON.stringify(row.expected)}\n  seen     ${JSON.stringify(row.seen)}`,
    ),
    ...skipped.map(({ case: name, reason }) => `skipped: ${name}: ${reason}`),
  ].join('\n');
}
