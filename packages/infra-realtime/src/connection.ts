import { extract, formatIssue, logger, operation, runWithContext } from '@vibeonrails/infra-core';
import { withinTime } from './admission.ts';
import type { Admission, AnyChannel, Identity } from './channel-types.ts';
import { isChannelName } from './channels.ts';
import type { EngineSocket, SocketEvents } from './engine.ts';
import { CLOSE_CODES } from './errors.ts';
import type { ConnectionHost } from './gateway.ts';
import { type ClientRequest, errorFrame, helloFrame, okFrame, PING, parseFrame } from './protocol.ts';
import type { RealtimeClient } from './realtime.ts';
import { Refusal } from './refusal.ts';
import { TokenBucket } from './token-bucket.ts';

const messages = operation('realtime.message');

interface Subscribed {
  readonly definition: AnyChannel;
  readonly mayPublish: boolean;
}

/** One client over a WebSocket: its requests are answered, its limits kept. */
export class Connection implements SocketEvents, RealtimeClient {
  readonly id: string;
  /** The address it counts under. */
  readonly ip: string;
  readonly userId?: string;
  readonly maxBufferedAmount: number;
  readonly #host: ConnectionHost;
  readonly #identity: Identity;
  readonly #socket: EngineSocket;
  readonly #gone = new AbortController();
  /** Channels it is in, or about to be. */
  readonly #subscribed = new Map<string, Subscribed | 'pending'>();
  /** Requests of one channel are handled one after the other, those of different channels side by side. */
  readonly #work = new Map<string, Promise<void>>();
  #inFlight = 0;
  #alive = true;
  /** What may come at once fits a reconnecting client, which subscribes to everything. */
  readonly #bucket: TokenBucket;
  readonly #burst: number;
  #closeCode: number | undefined;

  constructor(host: ConnectionHost, id: string, ip: string, identity: Identity, socket: EngineSocket) {
    this.#host = host;
    this.#identity = identity;
    this.#socket = socket;
    this.id = id;
    this.ip = ip;
    if (identity.userId !== undefined) this.userId = identity.userId;
    this.maxBufferedAmount = host.limits.backpressure;
    this.#burst = host.limits.messagesPerSecond + host.limits.channels;
    this.#bucket = new TokenBucket(host.limits.messagesPerSecond, this.#burst, host.clock);
    this.send(helloFrame(id, host.heartbeat));
    host.hub.registerClient(this);
  }

  send(text: string): void {
    if (this.#socket.send(text) === 'dropped' && this.#socket.bufferedAmount > this.maxBufferedAmount)
      this.#end(CLOSE_CODES.slow, 'reads too slowly');
  }

  bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  close(code = 1000, reason = ''): void {
    if (this.#closeCode === undefined) this.#host.closing(code);
    this.#closeCode ??= code;
    this.#socket.close(code, reason);
  }

  /** Pings the client. False when it has been silent since the ping before: it is gone then. */
  ping(): boolean {
    if (!this.#alive) {
      this.#socket.terminate();
      return false;
    }
    this.#alive = false;
    this.#reply(PING);
    return true;
  }

  closed(): void {
    this.#gone.abort();
    this.#host.hub.unregisterClient(this.id);
    this.#host.ended(this);
  }

  message(data: string | Uint8Array): void {
    this.#alive = true;
    if (this.#closeCode !== undefined) return;
    if (typeof data !== 'string') this.#end(CLOSE_CODES.unsupported, 'text frames only');
    else if (this.#bucket.take()) this.#receive(data);
    else this.#end(CLOSE_CODES.rate, 'too many messages');
  }

  #receive(text: string): void {
    const frame = parseFrame(text);
    if (frame.kind === 'pong') return;
    if (frame.kind === 'bad') this.#reply(errorFrame(frame.id, 'E_REALTIME_FRAME', frame.why));
    else if (!isChannelName(frame.request.ch))
      this.#reply(errorFrame(frame.request.id, 'E_REALTIME_CHANNEL_NAME', 'this is no channel name'));
    else if (this.#inFlight >= this.#burst)
      this.#reply(errorFrame(frame.request.id, 'E_REALTIME_BUSY', 'too many requests under way', true));
    else this.#enqueue(frame.request, text.length);
  }

  #enqueue(request: ClientRequest, bytes: number): void {
    const { ch } = request;
    this.#inFlight += 1;
    const before = this.#work.get(ch);
    const done = (
      before ? before.then(() => this.#answer(request, bytes)) : this.#answer(request, bytes)
    ).then(() => {
      this.#inFlight -= 1;
      if (this.#work.get(ch) === done) this.#work.delete(ch);
    });
    this.#work.set(ch, done);
  }

  async #answer(request: ClientRequest, bytes: number): Promise<void> {
    const { traceparent, tracestate } = request;
    const context = traceparent ? extract({ traceparent, tracestate }) : {};
    try {
      const ok = await runWithContext(context, () =>
        messages.trace(() => this.#handle(request), { channel: request.ch, bytes }),
      );
      this.#reply(okFrame(request.id, ok));
    } catch (err) {
      this.#reply(this.#errorReply(request, err));
    }
  }

  #errorReply(request: ClientRequest, err: unknown): string {
    if (err instanceof Refusal) return errorFrame(request.id, err.code, err.message, err.retry);
    // What went wrong inside is for the log, not for the client.
    if (!this.#gone.signal.aborted)
      logger.error(
        { err, module: 'realtime', op: request.op, channel: request.ch },
        'a realtime request failed',
      );
    return errorFrame(request.id, 'E_REALTIME_INTERNAL', 'the request failed', true);
  }

  #handle(request: ClientRequest): Promise<object> {
    switch (request.op) {
      case 'sub':
        return this.#subscribe(request.ch);
      case 'unsub':
        this.#subscribed.delete(request.ch);
        this.#host.hub.unsubscribe(request.ch, this.id);
        return Promise.resolve({});
      case 'pub':
        return this.#publish(request);
      default:
        return this.#presence(request.ch);
    }
  }

  async #subscribe(name: string): Promise<object> {
    const { hub, limits } = this.#host;
    if (this.#subscribed.has(name)) return this.#presence(name);
    if (this.#subscribed.size >= limits.channels)
      throw new Refusal('E_REALTIME_CHANNELS', `at most ${limits.channels} channels on one connection`);
    this.#subscribed.set(name, 'pending');
    try {
      const { definition, admission } = await this.#authorize(name);
      const presence = definition.presence && { info: admission.member };
      await hub.subscribe(name, this.id, { onSlow: definition.onSlow, presence }).ready;
      this.#subscribed.set(name, { definition, mayPublish: admission.publish ?? true });
      return await this.#presence(name);
    } catch (err) {
      this.#subscribed.delete(name);
      throw err;
    }
  }

  async #authorize(name: string): Promise<{ definition: AnyChannel; admission: Admission }> {
    for (const definition of this.#host.channels) {
      const params = definition.match(name);
      if (!params) continue;
      const context = { identity: this.#identity, clientId: this.id, channel: name };
      const answer = await this.#hook(() => definition.authorize(context, params));
      if (!answer) throw new Refusal('E_REALTIME_FORBIDDEN', 'you may not subscribe to this channel');
      return { definition, admission: answer === true ? {} : answer };
    }
    throw new Refusal('E_REALTIME_CHANNEL_UNKNOWN', 'there is no such channel');
  }

  async #publish({ ch, ev, d }: ClientRequest): Promise<object> {
    const { definition, mayPublish } = this.#member(ch);
    const schema =
      typeof ev === 'string' && definition.clientEvents.has(ev) ? definition.schema.get(ev) : undefined;
    if (!schema || !mayPublish)
      throw new Refusal('E_REALTIME_FORBIDDEN', 'clients may not publish this event on this channel');
    const result = await this.#hook(() => schema['~standard'].validate(d));
    if (result.issues)
      throw new Refusal(
        'E_REALTIME_INVALID',
        result.issues.slice(0, 5).map(formatIssue).join('; ').slice(0, 500),
      );
    const { offset, epoch } = await this.#host.hub.publish(ch, ev as string, result.value, {
      except: this.id,
    });
    return { o: offset, e: epoch };
  }

  async #presence(name: string): Promise<object> {
    return { members: this.#member(name).definition.presence ? await this.#host.hub.presence(name) : [] };
  }

  #member(name: string): Subscribed {
    const subscribed = this.#subscribed.get(name);
    if (!subscribed || subscribed === 'pending')
      throw new Refusal('E_REALTIME_NOT_SUBSCRIBED', 'subscribe to the channel first');
    return subscribed;
  }

  #hook<T>(run: () => T | Promise<T>): Promise<T> {
    return withinTime(this.#host.clock, this.#host.limits.hookTimeout, this.#gone.signal, run);
  }

  #reply(frame: string): void {
    if (this.#socket.bufferedAmount > this.maxBufferedAmount) this.#end(CLOSE_CODES.slow, 'reads too slowly');
    else this.#socket.send(frame);
  }

  #end(code: number, reason: string): void {
    this.#host.hub.unregisterClient(this.id);
    this.close(code, reason);
  }
}
