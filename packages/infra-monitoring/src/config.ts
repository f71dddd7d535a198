import { type Config, defineConfig, oneOf, type Reader, text } from '@vibeonrails/infra-core';
import { SAMPLERS, type SamplerName } from './tracing/sampler.ts';

/** The variables of the monitoring, as OpenTelemetry names them. */
export const config: Config<{
  readonly OTEL_TRACES_SAMPLER: Reader<SamplerName>;
  readonly OTEL_TRACES_SAMPLER_ARG: Reader<string | undefined>;
}> = defineConfig(
  {
    OTEL_TRACES_SAMPLER: oneOf(SAMPLERS, {
      default: 'parentbased_always_on',
      description: 'which traces are recorded',
    }),
    OTEL_TRACES_SAMPLER_ARG: text({ optional: true, description: 'the ratio of a traceidratio sampler' }),
  },
  {
    package: '@vibeonrails/infra-monitoring',
    check({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: arg }, report) {
      const ratio = Number(arg ?? 1);
      if (sampler.endsWith('traceidratio') && !(ratio >= 0 && ratio <= 1))
        report('OTEL_TRACES_SAMPLER_ARG', 'a number from 0 to 1');
    },
  },
);
