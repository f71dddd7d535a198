// The live feed: every step of a sign-up is one log line and one message to the pages that watch.
import { currentContext, logger } from '@vibeonrails/infra/core';
import { channel, publish } from '@vibeonrails/infra/realtime';

/** What the page is told of a step. */
export interface Step {
  signUp: string;
  step: string;
  detail: string;
  traceId: string | undefined;
  at: number;
}

/** Where pages connect, beside the pages themselves when nothing else is said; and what answers there. */
export const live: { url?: string; engine?: string } = {};

/** Anyone may watch; only this program publishes. */
export const feed = channel('sign-ups', { authorize: () => true });

const log = logger.child({ part: 'sign-up' });

/** Says that a step of a sign-up is done: in the log and on the page, under the same trace id. */
export async function announce(signUp: string, step: string, detail: string): Promise<void> {
  log.info({ signUp, step }, detail);
  const traceId = currentContext().trace?.traceId;
  await publish('sign-ups', 'step', { signUp, step, detail, traceId, at: Date.now() } satisfies Step);
}
