import { benchmarksOf, type Found, modulesIn } from './catalogue.ts';
import { installPeers, pinnedVersions } from './peers.ts';
import { formatReport, type Report } from './report.ts';
import { type Row, rowsOf } from './rows.ts';
import { runBenchmark } from './run.ts';
import { runServices } from './services.ts';
import { countOption, readCommand, thisMachine, UsageError } from './terminal.ts';

/** Where the program writes, and where it finds its benchmarks. */
export interface Surroundings {
  /** The folder that holds one folder a module. */
  readonly root: string;
  /** Standard output: the report, and nothing else. */
  readonly print: (text: string) => void;
  /** Standard error: progress. */
  readonly say: (line: string) => void;
}

const LEAST_ROUNDS = 5;

const usage = (modules: readonly string[]): string => `Usage: npx pnpm bench <module> [options]

Runs a module's benchmarks beside their peers, interleaved, each candidate in a process of its own.

  --json          print the report as one JSON document
  --rounds <n>    rounds, ${LEAST_ROUNDS} or more (default ${LEAST_ROUNDS})
  --case <text>   only the cases whose name holds the text
  -h, --help      this text

Modules: ${modules.join(', ')}
Progress goes to standard error. A figure that misses its target never fails the command.`;

/** Runs the program and returns its exit code: 0, 2 for a wrong command line. */
export async function main(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const { root, print, say } = surroundings;
  try {
    const { module, help, json, options } = readCommand(args, ['rounds', 'case']);
    if (help) {
      print(usage(await modulesIn(root)));
      return 0;
    }
    if (!module) throw new UsageError('Which module?');
    const rounds = countOption('rounds', options.rounds, LEAST_ROUNDS);
    if (rounds < LEAST_ROUNDS) throw new UsageError(`--rounds takes ${LEAST_ROUNDS} or more.`);
    const found = (await benchmarksOf(root, module)).filter(({ benchmark }) =>
      benchmark.case.includes(options.case ?? ''),
    );
    const report = await runAll(module, found, rounds, say);
    print(json ? JSON.stringify(report, null, 2) : formatReport(report));
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    say(`${error.message}\n\n${usage(await modulesIn(root))}`);
    return 2;
  }
}

async function runAll(
  module: string,
  found: readonly Found[],
  rounds: number,
  say: (line: string) => void,
): Promise<Report> {
  const machine = thisMachine();
  const packages = new Set(found.flatMap(({ benchmark }) => benchmark.packages ?? []));
  await installPeers(packages, say);
  const services = runServices(say);
  const rows: Row[] = [];
  const skipped: { case: string; reason: string }[] = [];
  try {
    for (const one of found) {
      const servers = await services.environment(one.benchmark.services ?? []);
      if ('missing' in servers) skipped.push({ case: one.benchmark.case, reason: servers.missing });
      else {
        const figures = await runBenchmark(one, { rounds, env: servers.env, say });
        rows.push(...rowsOf(one.benchmark, figures, rounds));
      }
    }
  } finally {
    await services.stop();
  }
  return { module, machine, versions: pinnedVersions(packages), rows, skipped };
}
