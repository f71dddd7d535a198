import { parseArgs } from 'node:util';
import { environmentOf } from './environment.ts';
import { needs, type ServiceKind } from './needs.ts';
import { service } from './service.ts';

const usage = `Starts a real server for development, on a free port of 127.0.0.1, until Ctrl-C.

  tsx tooling/services/src/cli.ts <${Object.keys(needs).join('|')}> [options]

Prints the variables that name it, one a line, for a shell or an .env file. \`chromium\` prints its path and ends.

  --appendonly        redis: write an append-only file
  --maxmemory <size>  redis: such as 64mb
  --password <word>   redis: ask for it
  --tls               redis: speak TLS, with a certificate of its own making
  --masters <n>       redis-cluster: nodes, default 3
  --help              this text
`;

const options = {
  appendonly: { type: 'boolean' },
  maxmemory: { type: 'string' },
  password: { type: 'string' },
  tls: { type: 'boolean' },
  masters: { type: 'string' },
  help: { type: 'boolean' },
} as const;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [kind, ...more] = positionals;
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (!isKind(kind) || more.length > 0) {
    process.stderr.write(usage);
    return 2;
  }
  const { masters, help: _, ...redis } = values;
  const startOptions =
    kind === 'redis' ? redis : kind === 'redis-cluster' && masters ? { masters: Number(masters) } : {};
  const found = await service(kind, { own: kind !== 'chromium' });
  if (!found.available) return 1;
  const running = await found.start(startOptions);
  const lines = Object.entries(environmentOf(running)).map(([name, value]) => `${name}=${value}\n`);
  // Before the lines: who reads them may send the signal at once.
  const end = kind === 'chromium' ? undefined : interrupted();
  process.stdout.write(lines.join(''));
  await end;
  await running.stop();
  return 0;
}

const isKind = (name: string | undefined): name is ServiceKind =>
  name !== undefined && Object.hasOwn(needs, name);

async function interrupted(): Promise<void> {
  // Servers do not keep this process waiting, so a timer must.
  const timer = setInterval(() => {}, 3_600_000);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  clearInterval(timer);
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});
