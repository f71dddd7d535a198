import { MonitoringOptionError } from '../errors.ts';

/** The samplers that `OTEL_TRACES_SAMPLER` names. */
export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** Which traces are recorded. The `parentbased_` ones follow the caller where there is one. */
export type SamplerName = (typeof SAMPLERS)[number];

/** A sampler by name; a number from 0 to 1 stands for `parentbased_traceidratio` with that ratio. */
export type SamplerOption = SamplerName | number;

/** Decides when a span starts, before anything is allocated for it. */
export type Sampler = (traceId: string, parentSampled: boolean | undefined) => boolean;

/** 52 of the random bits of a trace id: as many as a number holds exactly. */
const randomness = (traceId: string): number => Number.parseInt(traceId.slice(19), 16) / 2 ** 52;

/**
 * Makes a sampler. The same trace id gets the same answer in every process with the same ratio.
 *
 * @throws {@link MonitoringOptionError} `E_MONITORING_OPTION` for a ratio outside 0 to 1 or an unknown name.
 */
export function samplerOf(option: SamplerOption, ratio = 1): Sampler {
  if (typeof option === 'number') return samplerOf('parentbased_traceidratio', option);
  if (!SAMPLERS.includes(option)) throw new MonitoringOptionError('sampler', option, SAMPLERS.join(', '));
  if (!(ratio >= 0 && ratio <= 1)) throw new MonitoringOptionError('sampler', ratio, 'a ratio from 0 to 1');
  const isParentBased = option.startsWith('parentbased_');
  const root: Sampler = option.endsWith('always_on')
    ? () => true
    : option.endsWith('always_off')
      ? () => false
      : (traceId) => randomness(traceId) >= 1 - ratio;
  return isParentBased ? (traceId, parentSampled) => parentSampled ?? root(traceId, undefined) : root;
}
