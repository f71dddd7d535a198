/** Work under way by key: who asks for a key while its work runs gets that work's result. */
export interface SingleFlight {
  /** Runs `work` unless it runs already. `superseded()` says whether somebody wrote the key since it began. */
  run<T>(key: string, work: (superseded: () => boolean) => Promise<T>): Promise<T>;
  /**
   * Says that keys were written or removed; without any, that it may be all. What is under way for them must not be
   * stored, nor joined by later callers.
   */
  supersede(keys?: readonly string[]): void;
}

/** Makes a {@link SingleFlight}. */
export function singleFlight(): SingleFlight {
  const flights = new Map<string, { promise?: Promise<unknown> }>();
  return {
    run<T>(key: string, work: (superseded: () => boolean) => Promise<T>): Promise<T> {
      const under = flights.get(key)?.promise;
      if (under) return under as Promise<T>;
      const flight: { promise?: Promise<unknown> } = {};
      flights.set(key, flight);
      const current = (): boolean => flights.get(key) === flight;
      const promise = work(() => !current()).finally(() => {
        if (current()) flights.delete(key);
      });
      flight.promise = promise;
      return promise;
    },
    supersede(keys) {
      if (keys) for (const key of keys) flights.delete(key);
      else flights.clear();
    },
  };
}
