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
    const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
    super(`The configuration has ${count}:\n${problems.map(line).join('\n')}\n`, {
      code: 'E_CONFIG',
      help: 'Correct the environment variables above and start again.',
    });
    this.problems = problems;
  }
}

function line({ variable, package: owner, kind, expected, from }: ConfigProblem): string {
  const wrong = kind === 'missing' ? 'not set' : 'not valid';
  return `  ${variable} (${owner}) is ${wrong}${from ? ` in ${from}` : ''}: expected ${expected}.`;
}
