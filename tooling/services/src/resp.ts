import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** Where a Redis listens. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  /** Speaks TLS; `ca` is the path of the certificate to trust, by default the system's. */
  readonly tls?: { readonly ca?: string };
}

/** Reads an address such as `redis://:secret@127.0.0.1:6379`; `rediss:` means TLS. */
export function parseRedisUrl(url: string): RedisAddress {
  const { protocol, hostname, port, username, password } = new URL(url);
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 6379),
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: {} }),
  };
}

/**
 * Sends one command on a connection of its own, and returns the reply as text: enough to see a server up and to join
 * nodes, without a client library that this package would then be tied to.
 *
 * @throws an Error with the server's words on an error reply, and when nothing answers within 2 seconds.
 */
export async function redisCommand(address: RedisAddress, ...command: string[]): Promise<string> {
  const { username, password } = address;
  const commands = [command];
  if (password !== undefined) commands.unshift(['AUTH', ...(username ? [username] : []), password]);
  const socket = open(address);
  try {
    return await exchange(socket, commands);
  } finally {
    socket.destroy();
  }
}

function open({ host, port, tls }: RedisAddress): Socket {
  if (tls === undefined) return connect({ host, port });
  return connectTls({ host, port, ...(tls.ca !== undefined && { ca: readFileSync(tls.ca) }) });
}

async function exchange(socket: Socket, commands: readonly (readonly string[])[]): Promise<string> {
  let received = '';
  return await new Promise((resolve, reject) => {
    socket.setTimeout(2_000, () => reject(new Error('Redis does not answer')));
    socket.once('error', reject).once('close', () => reject(new Error('Redis closed the connection')));
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      received += chunk;
      const replies = readReplies(received);
      const error = replies.find(({ type }) => type === '-');
      if (error !== undefined) return reject(new Error(error.text));
      const last = replies[commands.length - 1];
      if (last !== undefined) resolve(Buffer.from(last.text, 'latin1').toString());
    });
    for (const command of commands) socket.write(encode(command));
  });
}

function encode(command: readonly string[]): string {
  const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
  return `*${command.length}\r\n${parts.join('')}`;
}

interface Reply {
  readonly type: string;
  readonly text: string;
}

/** The complete replies so far. Of an array nothing but its head is read: no command here answers with one. */
function readReplies(received: string): Reply[] {
  const replies: Reply[] = [];
  let rest = received;
  for (;;) {
    const end = rest.indexOf('\r\n');
    if (end < 0) return replies;
    const type = rest.slice(0, 1);
    const head = rest.slice(1, end);
    const length = type === '$' ? Number(head) : -1;
    const next = length < 0 ? end + 2 : end + 2 + length + 2;
    if (rest.length < next) return replies;
    replies.push({ type, text: length < 0 ? head : rest.slice(end + 2, end + 2 + length) });
    rest = rest.slice(next);
  }
}
