import type { Clock } from '@vibeonrails/infra-core';
import type { EngineSocket, SendOutcome, SocketEvents } from '../engine.ts';
import type { UwsWebSocket } from './uws-library.ts';

const OUTCOMES: readonly SendOutcome[] = ['buffered', 'sent', 'dropped'];
/** How long what waits may take to go out before a close, in milliseconds. */
const CLOSE_TIMEOUT = 5000;

/** One socket of uWebSockets.js, behind which nothing is touched after its close: every call of it would throw. */
export class UwsSocket implements EngineSocket {
  #ws: UwsWebSocket | undefined;
  #events: SocketEvents | undefined;
  #goodbye: { readonly code: number; readonly reason: string } | undefined;
  #closedWith: number | undefined;
  #cancel = (): void => undefined;
  readonly #clock: Clock;

  constructor(ws: UwsWebSocket, clock: Clock) {
    this.#ws = ws;
    this.#clock = clock;
  }

  /** Says who hears of it. It may have been closed before, in the making of `events`. */
  listen(events: SocketEvents): void {
    this.#events = events;
    if (this.#closedWith !== undefined) this.#tell(this.#closedWith);
  }

  send(text: string): SendOutcome {
    if (!this.#ws || this.#goodbye) return 'dropped';
    return OUTCOMES[this.#ws.send(text, false, false)] ?? 'dropped';
  }

  get bufferedAmount(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  close(code: number, reason: string): void {
    if (!this.#ws || this.#goodbye) return;
    this.#goodbye = { code, reason };
    // An end throws away what waits, its own close frame as well.
    if (this.#ws.getBufferedAmount() === 0) this.#ws.end(code, reason);
    else this.#cancel = this.#clock.after(CLOSE_TIMEOUT, () => this.terminate());
  }

  terminate(): void {
    this.#ws?.close();
  }

  message(data: ArrayBuffer, isBinary: boolean): void {
    // The bytes are the library's, and gone after the call.
    const copy = Buffer.from(data.slice(0));
    this.#events?.message(isBinary ? copy : copy.toString('utf8'));
  }

  drained(): void {
    if (this.#goodbye && this.#ws?.getBufferedAmount() === 0)
      this.#ws.end(this.#goodbye.code, this.#goodbye.reason);
  }

  closed(code: number): void {
    this.#ws = undefined;
    this.#cancel();
    this.#closedWith = code;
    if (this.#events) this.#tell(code);
  }

  /** Later, as with a socket whose other end is asked first: whoever closes one is not called back in the middle of it. */
  #tell(code: number): void {
    queueMicrotask(() => this.#events?.closed(code));
  }
}
