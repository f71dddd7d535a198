import type { HealthStatus } from '@vibeonrails/infra-core';

/** From which value on something is `degraded`, and from which on it is an `error`. */
export interface Limits {
  readonly degradedAt: number;
  readonly errorAt: number;
}

/** How a value stands against its limits. */
export function judge(value: number, { degradedAt, errorAt }: Limits): HealthStatus {
  if (value >= errorAt) return 'error';
  return value >= degradedAt ? 'degraded' : 'ok';
}

/** A share between 0 and 1 as a whole percentage. */
export const percent = (share: number): number => Math.round(share * 100);
