import { RealtimeEngineError } from '../errors.ts';

/** What uWebSockets.js takes as text or bytes, as far as it is used. */
export type UwsText = string | ArrayBuffer | Uint8Array;

/** An open WebSocket of uWebSockets.js. After its close every call of it throws. */
export interface UwsWebSocket {
  /** 1 sent, 0 waits, 2 dropped because of the limit. */
  send(message: UwsText, isBinary?: boolean, compress?: boolean): number;
  getBufferedAmount(): number;
  end(code?: number, reason?: UwsText): void;
  close(): void;
  getUserData(): unknown;
}

/** A response of uWebSockets.js. After it was aborted every call of it throws. */
export interface UwsResponse {
  writeStatus(status: UwsText): UwsResponse;
  writeHeader(name: UwsText, value: UwsText): UwsResponse;
  end(body?: UwsText, closeConnection?: boolean): unknown;
  close(): unknown;
  cork(work: () => void): unknown;
  onAborted(fn: () => void): unknown;
  getRemoteAddressAsText(): ArrayBuffer;
  upgrade(data: object, key: UwsText, protocol: UwsText, extensions: UwsText, context: object): void;
}

/** A request of uWebSockets.js. It can be read only until the handler returns. */
export interface UwsRequest {
  getUrl(): string;
  getQuery(): string;
  getHeader(lowerCaseName: UwsText): string;
  forEach(fn: (name: string, value: string) => void): void;
}

/** What a route of WebSockets is made of. */
export interface UwsBehavior {
  maxPayloadLength: number;
  maxBackpressure: number;
  closeOnBackpressureLimit: boolean;
  idleTimeout: number;
  maxLifetime: number;
  sendPingsAutomatically: boolean;
  compression: number;
  upgrade(res: UwsResponse, req: UwsRequest, context: object): void;
  open(ws: UwsWebSocket): void;
  message(ws: UwsWebSocket, message: ArrayBuffer, isBinary: boolean): void;
  drain(ws: UwsWebSocket): void;
  close(ws: UwsWebSocket, code: number): void;
}

/** A server of uWebSockets.js. */
export interface UwsApp {
  ws(pattern: string, behavior: UwsBehavior): unknown;
  any(pattern: string, handler: (res: UwsResponse, req: UwsRequest) => void): unknown;
  listen(hostname: string, port: number, options: number, done: (socket: object | false) => void): unknown;
  close(): unknown;
}

/** The part of the uWebSockets.js module that is used. Pass the module itself: `import uws from 'uWebSockets.js'`. */
export interface UwsLibrary {
  App(): UwsApp;
  us_socket_local_port(socket: object): number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  readonly DISABLED: number;
}

/** True when the failure to load a library is that it is not installed. */
const isMissing = (err: unknown, library: string): boolean =>
  err instanceof Error &&
  (err as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND' &&
  err.message.includes(`'${library}'`);

/**
 * Finds uWebSockets.js, under its own name or repackaged. `undefined` when neither is installed.
 *
 * @throws {@link RealtimeEngineError} `E_REALTIME_ENGINE` when one is there and does not run on this machine.
 */
export async function findUws(): Promise<UwsLibrary | undefined> {
  try {
    // @ts-expect-error It is on no registry, so that its types cannot be a dependency.
    return libraryOf(await import('uWebSockets.js'));
  } catch (cause) {
    if (!isMissing(cause, 'uWebSockets.js')) throw unusable('uWebSockets.js', cause);
  }
  try {
    return libraryOf(await import('@uwsjs/core'));
  } catch (cause) {
    if (!isMissing(cause, '@uwsjs/core')) throw unusable('@uwsjs/core', cause);
  }
  return undefined;
}

const libraryOf = (found: object): UwsLibrary =>
  ('App' in found ? found : (found as { default: object }).default) as UwsLibrary;

const HELP =
  'Install one that runs on this Node version and platform: @uwsjs/core, or uWebSockets.js from github:uNetworking/uWebSockets.js; or pass the module as `uws`. With REALTIME_ENGINE=ws none is needed.';

/** One is installed, and does not run. */
export const unusable = (library: string, cause: unknown): RealtimeEngineError =>
  new RealtimeEngineError('uws', library, cause, HELP);

/** Nothing is installed. */
export const noUws = (): RealtimeEngineError =>
  new RealtimeEngineError('uws', 'uWebSockets.js or @uwsjs/core', undefined, HELP);
