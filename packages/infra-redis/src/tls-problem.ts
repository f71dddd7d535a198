import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { fatalError, tlsMismatch } from './classify.ts';
import type { InfraError } from './core.ts';
import { describeTarget, type RedisTarget } from './variables.ts';

const PATIENCE = 3000;

/**
 * Finds out why a server that accepts connections never gets ready: whether it speaks TLS where the address does not
 * say so, or the other way round, which to a Redis both look like silence; or whether its certificate is not trusted,
 * which the clients of Sentinels and clusters keep to themselves. `tls` is how the connection is encrypted, if it is.
 */
export async function findTlsProblem(
  target: RedisTarget,
  tls: ConnectionOptions | undefined,
): Promise<InfraError | undefined> {
  const [node] = target.nodes;
  if (!node) return undefined;
  const found = target.tls
    ? await answers(connect(node), 'data', (socket) => socket.write('PING\r\n'))
    : // The certificate does not matter here, and nothing is sent.
      await answers(connectTls({ ...node, rejectUnauthorized: false }), 'secureConnect');
  const address = describeTarget(target);
  if (found) return tlsMismatch(address, `the server answers ${target.tls ? 'without' : 'with'} TLS`);
  return target.tls ? await refusal(connectTls({ ...node, ...tls }), address) : undefined;
}

/** Why no encrypted connection comes about, where that is for good. */
async function refusal(socket: Socket, address: string): Promise<InfraError | undefined> {
  const signal = AbortSignal.timeout(PATIENCE);
  try {
    await once(socket, 'secureConnect', { signal });
    return undefined;
  } catch (thrown) {
    return signal.aborted ? undefined : fatalError(thrown, address);
  } finally {
    socket.on('error', () => undefined).destroy();
  }
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
