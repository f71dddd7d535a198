import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { tlsMismatch } from './classify.ts';
import type { RedisTlsError } from './errors.ts';
import { describeTarget, type RedisTarget } from './url.ts';

const PATIENCE = 1000;

/**
 * Finds out why a server that accepts connections never gets ready: whether it speaks TLS where the address does not
 * say so, or the other way round. To a Redis both look like silence.
 */
export async function findTlsMismatch(target: RedisTarget): Promise<RedisTlsError | undefined> {
  const [node] = target.nodes;
  if (!node) return undefined;
  const found = target.tls
    ? await answers(connect(node), 'data', (socket) => socket.write('PING\r\n'))
    : // The certificate does not matter here, and nothing is sent.
      await answers(connectTls({ ...node, rejectUnauthorized: false }), 'secureConnect');
  if (!found) return undefined;
  return tlsMismatch(describeTarget(target), `the server answers ${target.tls ? 'without' : 'with'} TLS`);
}

function answers(socket: Socket, event: string, begin?: (socket: Socket) => void): Promise<boolean> {
  return new Promise<boolean>((resolve) => {
    const no = (): void => resolve(false);
    socket
      .once(event, () => resolve(true))
      .once('error', no)
      .once('close', no)
      .setTimeout(PATIENCE, no);
    begin?.(socket);
  }).finally(() => socket.on('error', () => undefined).destroy());
}
