import { readFileSync } from 'node:fs';
import { type Config, defineConfig, type Env } from './config.ts';
import { bool, oneOf, type Reader, text } from './readers.ts';

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** The variables every package shares. */
export const settings: Config<{
  readonly NODE_ENV: Reader<string | undefined>;
  readonly LOG_LEVEL: Reader<(typeof LEVELS)[number]>;
  readonly LOG_PRETTY: Reader<boolean | undefined>;
  readonly SERVICE_NAME: Reader<string | undefined>;
}> = defineConfig(
  {
    NODE_ENV: text({ optional: true, description: '`production` turns on its refusals and warnings' }),
    LOG_LEVEL: oneOf(LEVELS, { default: 'info', description: 'the quietest level written' }),
    LOG_PRETTY: bool({ optional: true, description: 'readable lines in place of JSON' }),
    SERVICE_NAME: text({
      optional: true,
      fallback: 'OTEL_SERVICE_NAME',
      description: 'name on every line and span; else the name in package.json',
    }),
  },
  { package: '@vibeonrails/infra-core' },
);

/** The service's name: `SERVICE_NAME`, else `OTEL_SERVICE_NAME`, else the name in the working folder's package.json. */
export function serviceName(env: Env = process.env): string | undefined {
  return settings.read(env).SERVICE_NAME ?? packageName();
}

function packageName(): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync('package.json', 'utf8')) as { name?: unknown };
    return typeof name === 'string' && name !== '' ? name : undefined;
  } catch {
    return undefined;
  }
}
