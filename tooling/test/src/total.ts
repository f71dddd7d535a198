import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSkips, type Skip } from '@vibeonrails/services/skips';
import type { Tested } from './packages.ts';

/** Where, inside a package's folder, a run leaves what `total` reads. */
export const OUTPUT = '.vitest';
/** vitest's JSON report, in `OUTPUT`. */
export const REPORT = 'report.json';
/** The services that tests missed, in `OUTPUT`. */
export const MISSED = 'skips.jsonl';

/** What came out of all packages. */
export interface Total {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** One line each: the package, the file, the test or what is wrong with the file. */
  readonly failures: readonly string[];
  /** Packages that did not run, because they passed before and nothing in them has changed since. */
  readonly unchanged: readonly string[];
  readonly missed: readonly Skip[];
}

interface Report {
  readonly startTime: number;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** Adds up the reports of a run that began at `started` (milliseconds since 1970). No report is a failure. */
export function total(packages: readonly Tested[], started: number): Total {
  const rows = packages.map((tested) => ({ ...tested, report: reportOf(tested.folder) }));
  const sum = (count: (report: Report) => number) =>
    rows.reduce((all, { report }) => all + (report === undefined ? 0 : count(report)), 0);
  const failures = rows.flatMap(({ name, folder, report }) =>
    report === undefined ? [`${name}: the run ended without a report`] : failuresOf(name, folder, report),
  );
  return {
    passed: sum((report) => report.numPassedTests),
    failed: failures.length,
    skipped: sum((report) => report.numPendingTests + report.numTodoTests),
    failures,
    unchanged: rows.flatMap(({ name, report }) => (report && report.startTime < started ? [name] : [])),
    missed: rows.flatMap(({ folder }) => {
      const file = join(folder, OUTPUT, MISSED);
      return existsSync(file) ? readSkips(file) : [];
    }),
  };
}

function reportOf(folder: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, OUTPUT, REPORT), 'utf8')) as Report;
  } catch {
    return undefined;
  }
}

/** A file that fails to load, or whose hooks fail, has no failed test: it counts as one. */
function failuresOf(name: string, folder: string, report: Report): string[] {
  return report.testResults.flatMap((file) => {
    const path = file.name.slice(folder.length + 1);
    const failed = file.assertionResults.filter(({ status }) => status === 'failed');
    if (failed.length > 0) return failed.map(({ fullName }) => `${name} ${path}: ${fullName}`);
    return file.status === 'failed' ? [`${name} ${path}: ${firstLine(file.message)}`] : [];
  });
}

function firstLine(message: string): string {
  return message.split('\n')[0] || 'failed without a message';
}
