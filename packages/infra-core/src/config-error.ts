import { InfraError } from './errors.ts';

/** One thing that is wrong with the environment. It never holds the value. */
export interface ConfigProblem {
  readonly variable: string;
  /** The package that declares the variable. */
  readonly package: string;
  readonly kind: 'missing' | 'invalid';
  /** The expected form. */
  readonly expected: string;
  /** The variable that holds the text, where that is a fallback. */
  readonly from?: string;
}

/** Everything that is wrong with the environment, at once. */
export class ConfigError extends InfraError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = linesOf(problems);
    const count = lines.length === 1 ? 'one problem' : `${lines.length} problems`;
    super(`The configuration has ${count}:\n${lines.join('\n')}\n`, {
      code: 'E_CONFIG',
      help: 'Correct the environment variables above and start again.',
    });
    this.problems = problems;
  }
}

/** One line a variable: packages that share one expect the same of it. */
function linesOf(problems: readonly ConfigProblem[]): string[] {
  const owners = new Map<string, string[]>();
  for (const { variable, package: owner, kind, expected, from } of problems) {
    const wrong = kind === 'missing' ? 'not set' : 'not valid';
    const rest = `is ${wrong}${from ? ` in ${from}` : ''}: expected ${expected}.`;
    const key = `${variable}\n${rest}`;
    owners.set(key, [...(owners.get(key) ?? []), owner]);
  }
  return [...owners].map(([key, packages]) => {
    const [variable, rest] = key.split('\n');
    return `  ${variable} (${packages.join(', ')}) ${rest}`;
  });
}
