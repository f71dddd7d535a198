import type { FinishedSpan } from './span.ts';

interface Held {
  open: number;
  failed: boolean;
  ended: FinishedSpan[];
}

/**
 * Holds back the spans of traces that were not sampled until it is clear whether something failed: then all of them are
 * passed on, and those that come after. Bounded by the number of spans; the trace that has waited longest goes first.
 */
export class ErrorTraces {
  readonly #traces = new Map<string, Held>();
  readonly #maxSpans: number;
  readonly #pass: (span: FinishedSpan) => void;
  #size = 0;

  constructor(maxSpans: number, pass: (span: FinishedSpan) => void) {
    this.#maxSpans = maxSpans;
    this.#pass = pass;
  }

  /** Spans held back. */
  get size(): number {
    return this.#size;
  }

  /** Traces that are open. */
  get traces(): number {
    return this.#traces.size;
  }

  started(traceId: string): void {
    const held = this.#traces.get(traceId);
    if (held) held.open += 1;
    else this.#traces.set(traceId, { open: 1, failed: false, ended: [] });
  }

  ended(span: FinishedSpan): void {
    const held = this.#traces.get(span.traceId);
    // Evicted: what is left of it says something only where it failed itself.
    if (!held) {
      if (span.status === 'error') this.#pass(span);
      return;
    }
    held.open -= 1;
    if (!held.failed && span.status === 'error') {
      held.failed = true;
      this.#size -= held.ended.length;
      for (const earlier of held.ended.splice(0)) this.#pass(earlier);
    }
    if (held.failed) this.#pass(span);
    else if (held.open > 0) this.#hold(held, span);
    if (held.open === 0) this.#forget(span.traceId, held);
  }

  #hold(held: Held, span: FinishedSpan): void {
    held.ended.push(span);
    this.#size += 1;
    for (const [traceId, oldest] of this.#traces) {
      if (this.#size <= this.#maxSpans) return;
      this.#forget(traceId, oldest);
    }
  }

  #forget(traceId: string, held: Held): void {
    this.#size -= held.ended.length;
    this.#traces.delete(traceId);
  }
}
