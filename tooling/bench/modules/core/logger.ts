import { benchmark } from '../../src/benchmark.ts';
import { perCpuSecond } from '../../src/cpu.ts';
import { peer } from '../../src/peers.ts';

interface Pino {
  (options: object, destination: object): Log;
  destination(options: { dest: string; sync: true }): object;
}
type Log = { info(fields: object, message: string): void };

const OUT = { dest: '/dev/null', sync: true } as const;
const SERVICE = { service: 'bench' };

const lines = (log: Log): Promise<number> =>
  perCpuSecond((times) => {
    for (let i = 0; i < times; i += 1)
      log.info({ userId: i, path: '/api/orders', ms: 12.5, user: { plan: 'pro' } }, 'request done');
  });

/** Bare pino with the options that our logger gives it: context ids, redaction, service name. */
async function pinoWithOurOptions(): Promise<Log> {
  const { pino } = await peer<{ pino: Pino }>('pino');
  const { pinoOptions } = await import('@vibeonrails/infra-core/logging');
  return pino(pinoOptions('info', SERVICE), pino.destination(OUT));
}

/** The names that are secret at the top of a line, one level down and in headers, as paths of pino's own redaction. */
async function pinoWithItsRedaction(): Promise<Log> {
  const { pino } = await peer<{ pino: Pino }>('pino');
  const { pinoOptions, REDACTED } = await import('@vibeonrails/infra-core/logging');
  const { formatters: _, serializers: __, ...options } = pinoOptions('info', SERVICE);
  const paths = REDACTED.flatMap((name) => [name, `*.${name}`, `req.headers.${name}`]);
  return pino({ ...options, redact: { paths, censor: '[redacted]' } }, pino.destination(OUT));
}

async function pinoAlone(): Promise<Log> {
  const { pino } = await peer<{ pino: Pino }>('pino');
  return pino({}, pino.destination(OUT));
}

export const logger = benchmark({
  case: 'logger.info with four fields, to /dev/null',
  unit: 'lines/CPU s',
  packages: ['pino'],
  async ours() {
    const { createLogger, logger, setLogger } = await import('@vibeonrails/infra-core/logging');
    const { pino } = await peer<{ pino: Pino }>('pino');
    const destination = pino.destination(OUT) as { write(line: string): void };
    setLogger(createLogger({ name: 'bench', level: 'info', pretty: false, destination }));
    return lines(logger);
  },
  peers: {
    'pino, the same options': async () => lines(await pinoWithOurOptions()),
    'pino, its own redaction': async () => lines(await pinoWithItsRedaction()),
    'pino, no options': async () => lines(await pinoAlone()),
  },
  targets: [{ baseline: 'pino, the same options', atLeast: 0.95 }],
});
