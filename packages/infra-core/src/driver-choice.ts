import type { Env } from './config.ts';
import { InfraError } from './errors.ts';
import { logger } from './logger.ts';
import { settings } from './settings.ts';
import { slot } from './slots.ts';

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
