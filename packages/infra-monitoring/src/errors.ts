import { InfraError } from './core.ts';

/** A metric was described in a way that cannot be. */
export class MetricDescriptionError extends InfraError {
  readonly metric: string;

  constructor(metric: string, problem: string, help: string) {
    super(`Cannot describe the metric ${JSON.stringify(String(metric).slice(0, 200))}: ${problem}.`, {
      code: 'E_MONITORING_DESCRIBE',
      help,
    });
    this.metric = metric;
  }
}

/** An option of the monitoring is out of its range. */
export class MonitoringOptionError extends InfraError {
  readonly option: string;

  constructor(option: string, value: unknown, expected: string) {
    super(`The monitoring option ${option} is ${JSON.stringify(value) ?? String(value)}.`, {
      code: 'E_MONITORING_OPTION',
      help: `Use ${expected}.`,
    });
    this.option = option;
  }
}

/** The metrics endpoint was given an empty token, which would look protected and let everybody in. */
export class MetricsTokenError extends InfraError {
  constructor() {
    super('The token of metricsHandler() is empty.', {
      code: 'E_MONITORING_TOKEN',
      help: 'Give a token of one character or more, or leave the option out to serve without one.',
    });
  }
}

/** An exporter could not get ready. */
export class ExporterError extends InfraError {
  readonly exporter: string;

  constructor(exporter: string, cause: unknown) {
    super(`The monitoring exporter "${exporter}" did not get ready.`, {
      code: 'E_MONITORING_EXPORTER',
      help: 'See its cause. Metrics and spans are kept in process meanwhile.',
      retryable: true,
      cause,
    });
    this.exporter = exporter;
  }
}

/** @throws {@link MonitoringOptionError} unless `value` is a whole number of 1 or more. */
export function wholeNumber(option: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new MonitoringOptionError(option, value, 'a whole number of 1 or more');
}
