import { type Duration, type HealthCheck, type HealthStatus, toMs } from './core.ts';

// What a check needs of Node loads with its first run: importing this package costs nobody a network stack.

/** How full a disk may be. */
export interface DiskCheckOptions {
  /** Any file or folder on the file system to look at. @default the working folder */
  path?: string;
  /** Used share, between 0 and 1. @default 0.8 */
  degradedAt?: number;
  /** Used share, between 0 and 1. @default 0.95 */
  errorAt?: number;
}

/** Checks how full the file system of `path` is, as `df` shows it to a process without privileges. */
export function disk(options: DiskCheckOptions = {}): HealthCheck {
  const { path = '.', degradedAt = 0.8, errorAt = 0.95 } = options;
  return async () => {
    const { statfs } = await import('node:fs/promises');
    const { blocks, bfree, bavail, bsize } = await statfs(path);
    const used = blocks - bfree;
    // Some file systems, such as /proc, have no size.
    const share = used + bavail > 0 ? used / (used + bavail) : 0;
    return {
      status: judge(share, { degradedAt, errorAt }),
      message: `${percent(share)} % used`,
      data: { path, usedPercent: percent(share), freeBytes: bavail * bsize },
    };
  };
}

/** How much memory this process may take. */
export interface MemoryCheckOptions {
  /** The memory it may take, in bytes. @default the container's limit, else the machine's memory */
  limitBytes?: number;
  /** Used share, between 0 and 1. @default 0.8 */
  degradedAt?: number;
  /** Used share, between 0 and 1. @default 0.95 */
  errorAt?: number;
}

/** Checks this process: its resident memory against its limit, and its JavaScript heap against V8's. The fuller of the two counts. */
export function memory(options: MemoryCheckOptions = {}): HealthCheck {
  const { degradedAt = 0.8, errorAt = 0.95 } = options;
  return async () => {
    const { getHeapStatistics } = await import('node:v8');
    const limitBytes = options.limitBytes ?? (await availableMemory());
    const { rss, heapUsed } = process.memoryUsage();
    const heapLimitBytes = getHeapStatistics().heap_size_limit;
    const share = Math.max(rss / limitBytes, heapUsed / heapLimitBytes);
    return {
      status: judge(share, { degradedAt, errorAt }),
      message: `${percent(share)} % used`,
      data: { rssBytes: rss, limitBytes, heapUsedBytes: heapUsed, heapLimitBytes },
    };
  };
}

/** The container's limit is 0 or far above the machine's memory where there is none. */
async function availableMemory(): Promise<number> {
  const { totalmem } = await import('node:os');
  const machine = totalmem();
  const container = process.constrainedMemory?.() ?? 0;
  return container > 0 && container < machine ? container : machine;
}

/** How long the event loop may stand still. */
export interface EventLoopCheckOptions {
  /** @default '200ms' */
  degradedAt?: Duration;
  /** @default '2s' */
  errorAt?: Duration;
}

/** Milliseconds between two samples. */
const RESOLUTION = 20;

/**
 * Checks the longest time the event loop stood still since it was last asked. It measures from its first run on, with
 * a timer every 20 ms that does not keep the process alive.
 */
export function eventLoop(options: EventLoopCheckOptions = {}): HealthCheck {
  const limits = { degradedAt: toMs(options.degradedAt ?? '200ms'), errorAt: toMs(options.errorAt ?? '2s') };
  let longest: (() => number) | undefined;
  return () => {
    longest ??= measureStalls();
    const longestMs = longest();
    return {
      status: judge(longestMs, limits),
      message: `stood still for ${longestMs} ms at most`,
      data: { longestMs },
    };
  };
}

/**
 * Not monitorEventLoopDelay: its reset drops the interval that is open, so it never sees a stall that begins right
 * after one was asked for, nor one that is not over for a sample's length.
 */
function measureStalls(): () => number {
  let sampledAt = performance.now();
  let longest = 0;
  const sample = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - sampledAt - RESOLUTION);
    sampledAt = now;
  };
  setInterval(sample, RESOLUTION).unref();
  return () => {
    sample();
    const seen = Math.round(longest);
    longest = 0;
    return seen;
  };
}

/** What to ask, and which answer is good. */
export interface HttpCheckOptions {
  /** @default 'GET' */
  method?: string;
  headers?: Readonly<Record<string, string>>;
  /** Whether a status code is good. @default 200 to 299; redirects are followed */
  expect?: (status: number) => boolean;
}

/** Checks that a URL answers with a good status. The body is not read. */
export function http(url: string | URL, options: HttpCheckOptions = {}): HealthCheck {
  const { method = 'GET', headers = {}, expect = (status) => status >= 200 && status < 300 } = options;
  return async ({ signal }) => {
    const response = await fetch(url, { method, headers: { ...headers }, signal });
    // An unread body would hold its connection.
    await response.body?.cancel();
    const message = `answered ${response.status}`;
    return { status: expect(response.status) ? 'ok' : 'error', message, data: { code: response.status } };
  };
}

/** Where to connect. */
export interface TcpCheckOptions {
  /** @default '127.0.0.1' */
  host?: string;
  port: number;
}

/** Checks that a TCP port accepts a connection, which is closed at once. It proves less than a round trip of the protocol. */
export function tcp({ host = '127.0.0.1', port }: TcpCheckOptions): HealthCheck {
  return async ({ signal }) => {
    const { default: events } = await import('node:events');
    const { connect } = await import('node:net');
    const socket = connect({ host, port });
    try {
      await events.once(socket, 'connect', { signal });
      return { status: 'ok', message: `${host}:${port} accepts connections` };
    } finally {
      socket.on('error', () => undefined).destroy();
    }
  };
}

/** From which value on something is `degraded`, and from which on it is an `error`. */
interface Limits {
  readonly degradedAt: number;
  readonly errorAt: number;
}

/** How a value stands against its limits. */
function judge(value: number, { degradedAt, errorAt }: Limits): HealthStatus {
  if (value >= errorAt) return 'error';
  return value >= degradedAt ? 'degraded' : 'ok';
}

/** A share between 0 and 1 as a whole percentage. */
const percent = (share: number): number => Math.round(share * 100);
