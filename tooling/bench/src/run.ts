import type { Found } from './catalogue.ts';
import { askScript } from './child.ts';
import type { Rounds } from './rows.ts';

/** How a benchmark is run. */
export interface RunOptions {
  readonly rounds: number;
  /** Variables for the candidates. */
  readonly env: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

/**
 * Runs the candidates of a benchmark, each in a process of its own, round by round, so that what happens on the
 * machine meanwhile happens to all of them. Each round begins with another one. A candidate that fails is said once
 * and left out from then on.
 */
export async function runBenchmark(
  { file, benchmark }: Found,
  { rounds, env, say }: RunOptions,
): Promise<Map<string, Rounds>> {
  const names = ['ours', ...Object.keys(benchmark.peers)];
  const figures = new Map(names.map((name) => [name, [] as number[]]));
  const failed = new Set<string>();
  for (let round = 0; round < rounds; round += 1) {
    for (const name of rotated(names, round)) {
      if (failed.has(name)) continue;
      try {
        figures.get(name)?.push(await runCandidate([file, benchmark.case, name], env));
      } catch (error) {
        failed.add(name);
        figures.set(name, []);
        say(
          `${benchmark.case}: ${name} failed and has no figure\n${error instanceof Error ? error.message : error}`,
        );
      }
    }
    say(`${benchmark.case}: round ${round + 1} of ${rounds}`);
  }
  return figures;
}

/** The names, beginning with another one each round. */
export const rotated = (names: readonly string[], round: number): string[] =>
  names.map((_, i) => names[(i + round) % names.length]!);

async function runCandidate(args: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  const script = new URL('candidate.ts', import.meta.url);
  // What users run: TypeScript that is compiled on the way in has costs of its own.
  const { value } = (await askScript(script, args, env, 'built')) as { value: number };
  return value;
}
