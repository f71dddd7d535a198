import { type Duration, toMs } from '@vibeonrails/infra-core';

/** The queue that crons run on. */
export const CRON_QUEUE = 'cron';

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._:/@-]{0,199}$/u;
const QUEUE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** What every store takes as an id: no colon, and not all digits. */
const ID = /^(?!\d+$)[A-Za-z0-9][A-Za-z0-9._@-]{0,199}$/;

/** The expected form of a queue's name. */
export const QUEUE_FORM = 'a name of letters, digits, dots, dashes and underscores, up to 100 long';
/** The expected form of a job's id. */
export const ID_FORM = 'letters, digits, dots, dashes, underscores and @, up to 200 long, not only digits';

/** The expected form of what the keys of a shared store start with. */
export const PREFIX_FORM = 'letters, digits, dots, dashes and underscores, up to 100 long';

/** True for what the keys of a shared store may start with. */
export const isPrefix = (value: unknown): value is string => isQueueName(value);
/** True for a name of a queue. */
export const isQueueName = (value: unknown): value is string =>
  typeof value === 'string' && QUEUE.test(value);
/** True for an id of a job. */
export const isJobId = (value: unknown): value is string => typeof value === 'string' && ID.test(value);
/** True for a {@link Duration} of more than 0. */
const isPositiveDuration = (value: Duration): boolean => isDuration(value) && toMs(value) > 0;

/** True for a {@link Duration}. */
export function isDuration(value: Duration): boolean {
  try {
    return toMs(value) >= 0;
  } catch {
    return false;
  }
}

/** The texts of those rules that do not hold. */
export const broken = (rules: readonly (readonly [boolean, string])[]): string[] =>
  rules.flatMap(([holds, text]) => (holds ? [] : [text]));

/** The rules that jobs and crons share. */
export function commonRules(it: {
  name: unknown;
  handler: unknown;
  retries: number;
  timeout: Duration | undefined;
}): (readonly [boolean, string])[] {
  return [
    [
      typeof it.name === 'string' && NAME.test(it.name),
      '`name` must start with a letter or digit and go on with letters, digits, blanks and ._:/@-, up to 200 long',
    ],
    [typeof it.handler === 'function', '`handler` must be a function'],
    [
      Number.isInteger(it.retries) && it.retries >= 0 && it.retries <= 1000,
      '`retries` must be a whole number from 0 to 1000',
    ],
    [
      it.timeout === undefined || isPositiveDuration(it.timeout),
      "`timeout` must be a duration such as '30s'",
    ],
  ];
}
