import type { HealthStatus } from '@vibeonrails/infra-core';
import type { HealthReport } from './report.ts';

const WORDS: Readonly<Record<HealthStatus, string>> = { ok: 'pass', degraded: 'warn', error: 'fail' };

/** A report in the form of draft-inadarei-api-health-check-06, with its checks where `details` is true. */
export function toHealthJson(report: HealthReport, details: boolean): object {
  const status = WORDS[report.status];
  if (!details) return { status };
  const checks = report.checks.map(({ name, status, message, data, checkedAt }) => [
    name,
    [
      {
        status: WORDS[status],
        time: checkedAt,
        ...(message === undefined ? {} : { output: message }),
        ...(data === undefined ? {} : { observedValue: data }),
      },
    ],
  ]);
  return {
    status,
    ...(report.message ? { output: report.message } : {}),
    checks: Object.fromEntries(checks),
  };
}
