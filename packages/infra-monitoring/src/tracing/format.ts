import type { FinishedSpan } from './span.ts';

/** What {@link formatTrace} prints: a span with its children. */
export interface FormattedSpan extends FinishedSpan {
  readonly children: readonly FormattedSpan[];
}

/** How {@link formatTrace} prints. */
export interface FormatTraceOptions {
  /** Colours for a terminal. @default false */
  readonly color?: boolean;
}

/** What is worth its place behind a name, in this order. */
const TELLING = [
  'url.path',
  'url.full',
  'http.response.status_code',
  'cache.key',
  'storage.key',
  'messaging.destination.name',
  'email.template',
];
const MAX_LINES = 200;

/**
 * A trace as text for people: a line for each span with how long it took and what it was about, children below their
 * parent.
 *
 * ```text
 * POST /sign-up  42.1 ms  201
 * ├─ cache.get  0.3 ms  user:7
 * └─ queue.enqueue send-email  1.2 ms
 *    └─ queue.process send-email  31.0 ms  ✗ E_EMAIL_UNAVAILABLE: no answer
 * ```
 */
export function formatTrace(roots: readonly FormattedSpan[], options: FormatTraceOptions = {}): string {
  const paint = options.color === true ? colours : plain;
  const lines: string[] = [];
  let left = 0;
  const visit = (span: FormattedSpan, lead: string, branch: string, below: string): void => {
    if (lines.length < MAX_LINES) lines.push(paint.dim(lead + branch) + lineOf(span, paint));
    else left += 1;
    const { children } = span;
    for (const [i, child] of children.entries()) {
      const isLast = i === children.length - 1;
      visit(child, lead + below, isLast ? '└─ ' : '├─ ', isLast ? '   ' : '│  ');
    }
  };
  for (const root of roots) visit(root, '', '', '');
  if (left > 0) lines.push(paint.dim(`… and ${left} more`));
  return lines.join('\n');
}

type Paint = Record<'dim' | 'bad', (text: string) => string>;
const plain: Paint = { dim: (text) => text, bad: (text) => text };
const colours: Paint = {
  dim: (text) => (text === '' ? '' : `\u001B[2m${text}\u001B[22m`),
  bad: (text) => `\u001B[31m${text}\u001B[39m`,
};

function lineOf(
  { name, duration, attributes, status, error, abandoned }: FinishedSpan,
  paint: Paint,
): string {
  const facts = TELLING.flatMap((key) => {
    const value = attributes[key];
    // A path that the name has already, or a template, says nothing new.
    return value === undefined || name.includes(String(value)) ? [] : [String(value)];
  });
  const failed = error ? `✗ ${error.type}: ${error.message}` : status === 'error' ? '✗' : '';
  const parts = [
    printable(name),
    paint.dim(timeOf(duration)),
    ...facts.map((fact) => paint.dim(printable(fact).slice(0, 80))),
    failed && paint.bad(printable(failed).slice(0, 200)),
    abandoned ? paint.bad('never ended') : '',
  ];
  return parts.filter((part) => part !== '').join('  ');
}

const timeOf = (ms: number): string =>
  ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;

/** In one line, and without what a terminal would obey: names and keys come from anywhere. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ');
