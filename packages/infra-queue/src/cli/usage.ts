import { InfraError } from '@vibeonrails/infra-core';

/** A command line that makes no sense. */
export class UsageError extends InfraError {
  constructor(problem: string, help = '`infra-queue --help` shows what there is.') {
    super(problem, { code: 'E_QUEUE_USAGE', help });
  }
}

/** The options of every command. */
const COMMON: ReadonlySet<string> = new Set(['json', 'help', 'version']);

/** What a command takes, apart from `--json`. */
export interface Takes {
  readonly options: readonly string[];
  /** What the words after it are, and whether one is needed; none where this is absent. */
  readonly words?: { readonly what: string; readonly needed: boolean };
}

/** Refuses what a command has no use for: who wrote it expects an effect. @throws `E_QUEUE_USAGE` */
export function checkUse(
  command: string,
  { options, words: form }: Takes,
  words: readonly string[],
  given: Readonly<Record<string, unknown>>,
): void {
  if (!form && words.length > 0) throw new UsageError(`infra-queue ${command} takes no names.`);
  if (form?.needed && words.length === 0)
    throw new UsageError(`infra-queue ${command} takes at least one ${form.what}.`);
  const useless = Object.keys(given).filter((name) => !COMMON.has(name) && !options.includes(name));
  if (useless.length === 0) return;
  const taken = [...options, 'json'].map((name) => `--${name}`);
  throw new UsageError(
    `infra-queue ${command} does not take ${useless.map((name) => `--${name}`).join(', ')}. It takes ${taken.join(', ')}.`,
  );
}

/** Names as they are listed in a message. */
export const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');
