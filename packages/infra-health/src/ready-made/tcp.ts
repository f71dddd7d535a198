import { once } from 'node:events';
import { connect } from 'node:net';
import type { HealthCheck } from '@vibeonrails/infra-core';

/** Where to connect. */
export interface TcpCheckOptions {
  /** @default '127.0.0.1' */
  host?: string;
  port: number;
}

/** Checks that a TCP port accepts a connection, which is closed at once. It proves less than a round trip of the protocol. */
export function tcp({ host = '127.0.0.1', port }: TcpCheckOptions): HealthCheck {
  return async ({ signal }) => {
    const socket = connect({ host, port });
    try {
      await once(socket, 'connect', { signal });
      return { status: 'ok', message: `${host}:${port} accepts connections` };
    } finally {
      socket.on('error', () => undefined).destroy();
    }
  };
}
