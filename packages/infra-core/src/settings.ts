import { type Config, defineConfig, type Env } from './config.ts';
import { InfraError } from './errors.ts';
import { logger } from './logger.ts';
import { bool, oneOf, type Reader, text } from './readers.ts';
import { slot } from './slots.ts';

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
    // Imported, it would cost every program a tenth of what core does: Node.js loads its streams with it.
    const { readFileSync } = process.getBuiltinModule('node:fs');
    const { name } = JSON.parse(readFileSync('package.json', 'utf8')) as { name?: unknown };
    return typeof name === 'string' && name !== '' ? name : undefined;
  } catch {
    return undefined;
  }
}

/** Nothing chose a driver in production, and the embedded one would lose work. */
export class DriverRequiredError extends InfraError {
  constructor(module: string, help: string) {
    super(`The ${module} module has no production driver, and NODE_ENV is production.`, {
      code: `E_${module.toUpperCase()}_DRIVER_REQUIRED`,
      help,
    });
  }
}

/** How {@link chooseDriver} decides. */
export interface DriverChoice<D extends string> {
  /** The module's name, such as `queue`. */
  module: string;
  /** The driver named by an option. */
  option?: D | undefined;
  /** The driver named by `<MODULE>_DRIVER`, as read from the module's config. */
  variable?: D | undefined;
  /** The first of these whose engine's variables are set wins: `{ redis: Boolean(values.REDIS_URL) }`. */
  present?: Partial<Record<D, boolean>>;
  /** The driver that needs nothing. */
  embedded: D;
  /** In production with nothing chosen: throw, or warn once and go on. */
  inProduction: 'refuse' | 'warn';
  /** What to set instead, as one or two sentences. */
  help: string;
  /** @default process.env */
  env?: Env | undefined;
}

/**
 * Which driver a module uses: option › `<MODULE>_DRIVER` › presence of an engine's variables › embedded.
 *
 * @throws {@link DriverRequiredError} `E_<MODULE>_DRIVER_REQUIRED` with `NODE_ENV=production`, nothing chosen and `refuse`.
 */
export function chooseDriver<D extends string>(choice: DriverChoice<D>): D {
  if (choice.option) return choice.option;
  if (choice.variable) return choice.variable;
  for (const [driver, present] of Object.entries(choice.present ?? {})) if (present) return driver as D;
  if (settings.read(choice.env).NODE_ENV === 'production') {
    if (choice.inProduction === 'refuse') throw new DriverRequiredError(choice.module, choice.help);
    warnOnce(choice.module, choice.embedded, choice.help);
  }
  return choice.embedded;
}

/** Once a module in the process, however many instances and copies of core there are. */
function warnOnce(module: string, driver: string, help: string): void {
  const warned = slot('driver-warnings', 1, () => new Set<string>());
  if (warned.has(module)) return;
  warned.add(module);
  logger.warn({ module, driver }, `in production on the embedded driver. ${help}`);
}
