import { type Duration, type HealthCheck, toMs } from '@vibeonrails/infra-core';
import { judge } from './limits.ts';

/** How long the event loop may stand still. */
export interface EventLoopCheckOptions {
  /** @default '200ms' */
  degradedAt?: Duration;
  /** @default '2s' */
  errorAt?: Duration;
}

/** Milliseconds between two samples. */
const RESOLUTION = 20;

/**
 * Checks the longest time the event loop stood still since it was last asked. It measures from its first run on, with
 * a timer every 20 ms that does not keep the process alive.
 */
export function eventLoop(options: EventLoopCheckOptions = {}): HealthCheck {
  const limits = { degradedAt: toMs(options.degradedAt ?? '200ms'), errorAt: toMs(options.errorAt ?? '2s') };
  let longest: (() => number) | undefined;
  return () => {
    longest ??= measureStalls();
    const longestMs = longest();
    return {
      status: judge(longestMs, limits),
      message: `stood still for ${longestMs} ms at most`,
      data: { longestMs },
    };
  };
}

/**
 * Not monitorEventLoopDelay: its reset drops the interval that is open, so it never sees a stall that begins right
 * after one was asked for, nor one that is not over for a sample's length.
 */
function measureStalls(): () => number {
  let sampledAt = performance.now();
  let longest = 0;
  const sample = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - sampledAt - RESOLUTION);
    sampledAt = now;
  };
  setInterval(sample, RESOLUTION).unref();
  return () => {
    sample();
    const seen = Math.round(longest);
    longest = 0;
    return seen;
  };
}
