import { createServer } from 'node:net';

/** Where to look for a port. */
export interface FreePortOptions {
  /** The first one too high. Default 32768, where Linux begins to give ports to outgoing connections. */
  readonly below?: number;
  /** The lowest one. Default 10000. */
  readonly from?: number;
}

/**
 * A port of 127.0.0.1 on which nothing listens. Chosen at random, so that two processes that ask at the same moment
 * hardly ever get the same, and outside the range from which an outgoing connection could take it meanwhile.
 *
 * @throws an Error when a hundred tries find none.
 */
export async function freePort({ below = 32_768, from = 10_000 }: FreePortOptions = {}): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = from + Math.floor(Math.random() * (below - from));
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port on 127.0.0.1 from ${from} to ${below - 1}`);
}

/**
 * Runs `start`, which is to choose its ports by {@link freePort}, and runs it again when a port that was free a
 * moment ago is taken by now: rare enough for three tries.
 */
export async function withFreshPorts<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
    } catch (error) {
      const taken =
        error instanceof Error && /already in use|already allocated|unable to bind/i.test(error.message);
      if (!taken || attempt === 3) throw error;
    }
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)));
  });
}
