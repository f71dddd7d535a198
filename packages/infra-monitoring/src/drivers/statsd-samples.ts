import type { SampledSeries } from '../metrics/series.ts';

/** Samples of one series since the last flush. */
export interface SeriesSamples {
  readonly series: SampledSeries;
  readonly values: readonly number[];
  /** How many there were, kept or not. */
  readonly seen: number;
}

/** Holds samples between two flushes, in bounded memory. */
export interface SampleBuffer {
  add(series: SampledSeries, value: number): void;
  /** Everything since the last call. */
  take(): SeriesSamples[];
}

interface Reservoir {
  readonly series: SampledSeries;
  readonly values: number[];
  seen: number;
}

/**
 * Makes a {@link SampleBuffer}. Each series keeps all its samples up to `perSeries`, and beyond that a fair choice of
 * them: every sample had the same chance, so percentiles hold and the rate is known. `total` bounds all series
 * together; a series that finds no room at all has its samples counted by `onDrop`.
 */
export function sampleBuffer(perSeries: number, total: number, onDrop: () => void): SampleBuffer {
  let reservoirs = new Map<SampledSeries, Reservoir>();
  let held = 0;
  return {
    add(series, value) {
      let reservoir = reservoirs.get(series);
      if (reservoir === undefined) {
        if (held >= total) {
          onDrop();
          return;
        }
        reservoir = { series, values: [], seen: 0 };
        reservoirs.set(series, reservoir);
      }
      const { values } = reservoir;
      reservoir.seen += 1;
      // Still complete, and room for one more. Once a sample was left out the size must stay as it is.
      if (values.length === reservoir.seen - 1 && values.length < perSeries && held < total) {
        values.push(value);
        held += 1;
        return;
      }
      const at = Math.floor(Math.random() * reservoir.seen);
      if (at < values.length) values[at] = value;
    },
    take() {
      const all = [...reservoirs.values()];
      reservoirs = new Map();
      held = 0;
      return all;
    },
  };
}
