import { InfraError } from './core.ts';

/** A health check that cannot be registered: its name, function or one of its options is not what it must be. */
export class HealthCheckInvalidError extends InfraError {
  /** The name as given. */
  readonly check: string;

  constructor(name: unknown, problem: string, help: string) {
    const check = typeof name === 'string' ? name : String(typeof name);
    super(`Cannot register the health check "${check}": ${problem}.`, { code: 'E_HEALTH_CHECK', help });
    this.check = check;
  }
}

/** Two checks under one name: one of them would never be seen in a report. */
export class HealthCheckDuplicateError extends InfraError {
  readonly check: string;

  constructor(name: string) {
    super(`A health check called "${name}" is registered already.`, {
      code: 'E_HEALTH_DUPLICATE',
      help: 'Choose another name, call the function that the first registration returned, or pass `replace: true` (also where the file is reloaded while you edit it).',
    });
    this.check = name;
  }
}
