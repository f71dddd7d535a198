import { appendFileSync, readFileSync } from 'node:fs';
import type { ServiceKind } from './needs.ts';

/** The file in which the processes of one test run write down what they missed. Set by the global setup. */
export const SKIPS = 'INFRA_SERVICES_SKIPS';

/** A service that a test file missed. */
export interface Skip {
  readonly kind: ServiceKind;
  readonly reason: string;
}

/** Remembers a missing service for the end of the run; without one, says so on stderr at once. */
export function recordSkip(kind: ServiceKind, reason: string): void {
  const file = process.env[SKIPS];
  if (file === undefined) process.stderr.write(`skipped: ${reason}\n`);
  else appendFileSync(file, `${JSON.stringify({ kind, reason })}\n`);
}

/** What was written down. */
export function readSkips(file: string): Skip[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Skip);
}

/** What was missed, one line a service, for people. */
export function describeSkips(skips: readonly Skip[]): string {
  const lines = [...new Set(skips.map(({ kind }) => kind))].sort().map((kind) => {
    const those = skips.filter((skip) => skip.kind === kind);
    const times = those.length === 1 ? '1 suite' : `${those.length} suites`;
    return `  skipped ${times}: ${those[0]?.reason}`;
  });
  return ['Tests were skipped for want of a server:', ...lines, ''].join('\n');
}
