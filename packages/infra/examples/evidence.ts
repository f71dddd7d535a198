// What the page shows of a sign-up afterwards: the e-mail as rendered, and its trace as a tree.
import { email } from '@vibeonrails/infra/email';
import { monitoring, type SpanNode } from '@vibeonrails/infra/monitoring';

/** The HTML of the newest e-mail to this address. */
export async function emailTo(address: string): Promise<string> {
  const entries = (await email.outbox?.list({ limit: 100 })) ?? [];
  const entry = entries.find(({ to }) => to.some((recipient) => recipient.email === address));
  return entry && email.outbox
    ? (await email.outbox.read(entry.id)).html
    : 'This e-mail left through a real transport.';
}

/** A trace as indented lines: `12 ms  POST /sign-up`. */
export function traceText(traceId: string): string {
  const lines = (nodes: readonly SpanNode[], depth: number): string[] =>
    nodes.flatMap(({ name, duration, children }) => [
      `${'  '.repeat(depth)}${name}  ${duration.toFixed(1)} ms`,
      ...lines(children, depth + 1),
    ]);
  return lines(monitoring.traceTree(traceId), 0).join('\n');
}
