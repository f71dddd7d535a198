import type { Clock } from '@vibeonrails/infra-core';

/** Lets `perSecond` through over time, and up to `burst` at once. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #refilledAt: number;

  constructor(perSecond: number, burst: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#clock = clock;
    this.#tokens = burst;
    this.#refilledAt = clock.now();
  }

  /** True while there is room for one more. */
  take(): boolean {
    const now = this.#clock.now();
    const gained = ((now - this.#refilledAt) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained) - 1;
    this.#refilledAt = now;
    return this.#tokens >= 0;
  }
}
