import { parseArgs } from 'node:util';

/** What `npm test` was asked for. */
export interface Asked {
  readonly help: boolean;
  /** Run what passed before and has not changed since, too. */
  readonly force: boolean;
  /** Folders or names of packages, as typed; none means all. */
  readonly packages: readonly string[];
}

export const HELP = `Runs the tests of every package, two packages at a time, and prints one total.

  npm test                          every test; what passed before and has not changed since is not run again
  npm test -- --force               every test, once more
  npm test -- infra-cache services  the tests of these packages

For one file or one test: cd packages/infra-cache && npx vitest run tests/expiry.test.ts -t 'comes back'
`;

/** @throws Error for an option that is not there. */
export function parse(argv: readonly string[]): Asked {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' }, force: { type: 'boolean' } },
  });
  return { help: values.help === true, force: values.force === true, packages: positionals };
}
