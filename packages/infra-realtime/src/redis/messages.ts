import type { BrokerMessage } from '../driver.ts';

/** What travels before the body, where there is something to say. */
interface Head {
  readonly kind?: 'push' | 'disconnect';
  readonly except?: string;
}

/** A message as text: a line with what is not usual as JSON, then the body as it is. */
export function writeMessage({ kind, except, body }: BrokerMessage): string {
  const head: Head = {
    ...(kind === 'disconnect' ? { kind } : {}),
    ...(except === undefined ? {} : { except }),
  };
  return `${Object.keys(head).length === 0 ? '' : JSON.stringify(head)}\n${body}`;
}

/** Reads a message; `undefined` for what {@link writeMessage} did not write. */
export function readMessage(channel: string, text: string): BrokerMessage | undefined {
  const end = text.indexOf('\n');
  if (end < 0) return undefined;
  const body = text.slice(end + 1);
  if (end === 0) return { channel, body };
  try {
    return { channel, body, ...(JSON.parse(text.slice(0, end)) as Head) };
  } catch {
    return undefined;
  }
}
