/*
 * The browser client. One file without imports at run time, so that a page can load it as it is; types come from
 * TypeScript's own library alone, so that it compiles with and without the DOM.
 */

import type { Channel, Frame, Handle, Listener, Listeners, Off, Pending } from './client-state.ts';
import type {
  ClientMember,
  ClientOptions,
  ClientState,
  MessagePosition,
  RealtimeBrowserClient,
  Subscription,
  WebSocketConstructor,
  WebSocketLike,
} from './client-types.ts';

export type * from './client-types.ts';

/** A request that the server refused, or did not answer. */
export class RealtimeRequestError extends Error {
  /**
   * The server's code, such as `E_REALTIME_FORBIDDEN`; or `E_REALTIME_TIMEOUT` (no answer in time),
   * `E_REALTIME_DISCONNECTED` (sent, but the connection ended before the answer: it may have been done),
   * `E_REALTIME_WAITING` (too many wait for a connection), `E_REALTIME_CLOSED`.
   */
  readonly code: string;
  /** True when the same request may succeed later. */
  readonly retry: boolean;

  constructor(code: string, message: string, retry = false) {
    super(message);
    this.name = 'RealtimeRequestError';
    this.code = code;
    this.retry = retry;
  }
}

const PROTOCOL = 'infra.realtime.v1';

/** Makes a client and connects it. */
export function createClient(options: ClientOptions): RealtimeBrowserClient {
  const { min = 500, max = 20_000 } = options.backoff ?? {};
  const { timeout = 10_000, maxWaiting = 100 } = options;
  const Socket =
    options.WebSocket ?? (globalThis as unknown as { WebSocket?: WebSocketConstructor }).WebSocket;
  if (!Socket)
    throw new RealtimeRequestError(
      'E_REALTIME_NO_WEBSOCKET',
      'There is no global WebSocket: pass one as WebSocket.',
    );

  const channels = new Map<string, Channel>();
  const pending = new Map<number, Pending>();
  const stateListeners = new Set<(state: ClientState, reason?: string) => void>();
  const userListeners: Listeners = new Map();
  let state: ClientState = 'closed';
  let id: string | undefined;
  /** The attempt under way: an older one that wakes up late must do nothing. */
  let opening: object | undefined;
  let socket: WebSocketLike | undefined;
  let lastRequest = 0;
  let attempt = 0;
  let connectedAt = 0;
  let comeBackAfter: number | undefined;
  let silence = 0;
  let attemptTimer: ReturnType<typeof setTimeout> | undefined;
  let silenceTimer: ReturnType<typeof setTimeout> | undefined;

  /** A listener that throws is the page's error: it surfaces as one, and the others are still told. */
  const call = (fn: () => void): void => {
    try {
      fn();
    } catch (error) {
      setTimeout(() => {
        throw error;
      });
    }
  };
  const emit = (listeners: Listeners, event: string, data: unknown, position: MessagePosition = {}): void => {
    for (const fn of [...(listeners.get(event) ?? [])]) call(() => fn(data as never, position));
  };
  const emitAll = (channel: Channel, event: string, data: unknown, position?: MessagePosition): void => {
    for (const handle of [...channel.handles]) emit(handle.listeners, event, data, position);
  };
  const listen = (listeners: Listeners, event: string, fn: Listener): Off => {
    const set = listeners.get(event) ?? new Set<Listener>();
    listeners.set(event, set.add(fn));
    return () => {
      set.delete(fn);
    };
  };
  const become = (next: ClientState, reason?: string): void => {
    state = next;
    for (const fn of [...stateListeners]) call(() => fn(next, reason));
  };

  const transmit = (requestId: number, request: Pending): void => {
    request.sent = true;
    socket?.send(JSON.stringify({ id: requestId, ...request.frame }));
  };
  const request = (frame: Record<string, unknown>, wait: number): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      if (state === 'closed')
        return reject(new RealtimeRequestError('E_REALTIME_CLOSED', 'The client is closed.'));
      if (state !== 'connected' && pending.size >= maxWaiting)
        return reject(
          new RealtimeRequestError('E_REALTIME_WAITING', `${maxWaiting} requests wait already.`, true),
        );
      lastRequest += 1;
      const requestId = lastRequest;
      const timer = setTimeout(() => {
        pending.delete(requestId);
        reject(new RealtimeRequestError('E_REALTIME_TIMEOUT', `No answer after ${wait} ms.`, true));
      }, wait);
      const entry: Pending = { frame, sent: false, resolve, reject, timer };
      pending.set(requestId, entry);
      if (state === 'connected') transmit(requestId, entry);
    });
  const settle = (requestId: number): Pending | undefined => {
    const found = pending.get(requestId);
    pending.delete(requestId);
    clearTimeout(found?.timer);
    return found;
  };
  const rejectPending = (which: (request: Pending) => boolean, code: string, message: string): void => {
    for (const [requestId, entry] of [...pending])
      if (which(entry)) settle(requestId)?.reject(new RealtimeRequestError(code, message, true));
  };

  const askFor = (name: string, channel: Channel): void => {
    request({ op: 'sub', ch: name }, timeout).then(
      (ok) => {
        if (channels.get(name) !== channel) return;
        const again = channel.known;
        channel.active = true;
        channel.known = true;
        emitAll(channel, '$subscribed', { members: ok.members ?? [], again });
      },
      (error: RealtimeRequestError) => {
        if (channels.get(name) !== channel || error.code === 'E_REALTIME_DISCONNECTED') return;
        channel.refused = !error.retry;
        emitAll(channel, '$error', error);
        if (error.retry && state === 'connected')
          setTimeout(
            () => {
              if (channels.get(name) === channel && state === 'connected' && !channel.active)
                askFor(name, channel);
            },
            min + Math.random() * max,
          );
      },
    );
  };

  /** Any frame shows that the server is there; a browser does not show its pings. */
  const watchSilence = (): void => {
    clearTimeout(silenceTimer);
    if (silence > 0) silenceTimer = setTimeout(() => lose(1006, 'the server fell silent'), silence);
  };

  const receive = (data: unknown): void => {
    watchSilence();
    const frame = parse(data);
    if (frame.hello) welcome(frame.hello);
    else if (frame.bye) comeBackAfter = frame.bye.after;
    else if (frame.ev !== undefined) push(frame, frame.ev);
    else if (frame.id !== undefined) answer(frame.id, frame);
    else if (!frame.err) socket?.send('{}');
  };
  const answer = (requestId: number, { ok, err }: Frame): void => {
    const asked = settle(requestId);
    if (err) asked?.reject(new RealtimeRequestError(err.code, err.msg, err.retry ?? false));
    else asked?.resolve(ok ?? {});
  };
  const welcome = (hello: { readonly id: string; readonly ping: number }): void => {
    clearTimeout(attemptTimer);
    id = hello.id;
    silence = hello.ping * 2;
    connectedAt = Date.now();
    watchSilence();
    const waiting = [...pending];
    state = 'connected';
    for (const [name, channel] of channels) if (!channel.refused) askFor(name, channel);
    // After the subscriptions, since a publish needs its own; and before the listeners, who may send more.
    for (const [requestId, entry] of waiting) if (!entry.sent) transmit(requestId, entry);
    become('connected');
  };
  const push = ({ ch, d, o, e }: Frame, event: string): void => {
    const position = { ...(o === undefined ? {} : { offset: o }), ...(e === undefined ? {} : { epoch: e }) };
    const channel = ch === undefined ? undefined : channels.get(ch);
    if (ch === undefined) emit(userListeners, event, d, position);
    else if (channel) emitAll(channel, event, d, position);
  };

  const detach = (): void => {
    clearTimeout(attemptTimer);
    clearTimeout(silenceTimer);
    const former = socket;
    socket = undefined;
    id = undefined;
    silence = 0;
    for (const channel of channels.values()) channel.active = false;
    if (!former) return;
    former.onopen = former.onmessage = former.onclose = null;
    former.onerror = () => undefined;
    former.close();
  };
  /** The connection ended: 4000–4099 is final, 4200–4299 says to come back soon, all else backs off. */
  const lose = (code: number, reason: string): void => {
    detach();
    rejectPending(
      (entry) => entry.sent,
      'E_REALTIME_DISCONNECTED',
      'The connection ended before the answer.',
    );
    if (code >= 4000 && code < 4100) {
      finish(reason || `closed with ${code}`);
      return;
    }
    if (connectedAt > 0 && Date.now() - connectedAt >= max) attempt = 0;
    connectedAt = 0;
    const hurried = code >= 4200 && code < 4300;
    const delay = comeBackAfter ?? Math.random() * Math.min(max, min * 2 ** (hurried ? 0 : attempt));
    comeBackAfter = undefined;
    attempt += 1;
    attemptTimer = setTimeout(() => void open(), delay);
    become('waiting', reason || `closed with ${code}`);
  };
  const finish = (reason: string): void => {
    detach();
    rejectPending(() => true, 'E_REALTIME_CLOSED', `The client is closed: ${reason}.`);
    become('closed', reason);
  };

  const open = async (): Promise<void> => {
    become('connecting');
    const mine = {};
    opening = mine;
    try {
      const token = await options.getToken?.();
      if (opening !== mine || state !== 'connecting') return;
      const made = new Socket(
        toUrl(options.url),
        token ? [PROTOCOL, tokenProtocol(token)] : [PROTOCOL],
      ) as WebSocketLike;
      socket = made;
      made.onmessage = (event: { data: unknown }) => receive(event.data);
      made.onclose = (event: { code: number; reason: string }) => lose(event.code, event.reason);
      made.onerror = () => undefined;
      attemptTimer = setTimeout(() => lose(1006, 'no greeting from the server'), timeout);
    } catch (error) {
      if (opening === mine && state === 'connecting')
        lose(1006, error instanceof Error ? error.message : String(error));
    }
  };

  const client: RealtimeBrowserClient = {
    get state() {
      return state;
    },
    get id() {
      return id;
    },
    onState(fn) {
      stateListeners.add(fn);
      return () => {
        stateListeners.delete(fn);
      };
    },
    onUser: (event, fn) => listen(userListeners, event, fn),
    subscribe<E>(name: string): Subscription<E> {
      const known = channels.get(name);
      const channel: Channel = known ?? { handles: new Set(), active: false, known: false, refused: false };
      const handle: Handle = { listeners: new Map() };
      channel.handles.add(handle);
      channels.set(name, channel);
      if (state === 'connected' && (!known || channel.refused)) {
        channel.refused = false;
        askFor(name, channel);
      }
      return {
        channel: name,
        get active() {
          return channel.active && channel.handles.has(handle);
        },
        on: (event, fn) => listen(handle.listeners, event, fn as Listener),
        async publish(event, data, { timeout: wait = timeout } = {}) {
          const { o, e } = await request({ op: 'pub', ch: name, ev: event, d: data }, wait);
          return {
            ...(typeof o === 'number' ? { offset: o } : {}),
            ...(typeof e === 'string' ? { epoch: e } : {}),
          };
        },
        async presence() {
          return ((await request({ op: 'presence', ch: name }, timeout)).members ?? []) as ClientMember[];
        },
        unsubscribe() {
          handle.listeners.clear();
          if (!channel.handles.delete(handle) || channel.handles.size > 0) return;
          if (channels.get(name) === channel) channels.delete(name);
          if (state === 'connected') request({ op: 'unsub', ch: name }, timeout).catch(() => undefined);
        },
      };
    },
    connect() {
      if (state !== 'closed') return;
      attempt = 0;
      void open();
    },
    close() {
      if (state !== 'closed') finish('close() was called');
    },
  };
  client.connect();
  return client;
}

/** A frame of the server; an empty one for what is none. */
function parse(data: unknown): Frame {
  try {
    return (JSON.parse(String(data)) ?? {}) as Frame;
  } catch {
    return { err: { code: 'E_REALTIME_FRAME', msg: 'not JSON' } };
  }
}

/** A path becomes an address on the page's own host. */
function toUrl(url: string): string {
  const { location } = globalThis as { location?: { protocol: string; host: string } };
  if (!url.startsWith('/') || !location) return url.replace(/^http/, 'ws');
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${url}`;
}

/** base64url, because a subprotocol may hold but a few characters. */
function tokenProtocol(token: string): string {
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  return `bearer.${btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
}
