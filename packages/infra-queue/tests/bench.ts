import { clearSlot, type Logger } from '@vibeonrails/infra-core';
import { type FakeClock, fakeClock } from '@vibeonrails/infra-core/testing';
import { afterEach } from 'vitest';
import { createQueue, type Queue, type QueueOptions } from '../src/index.ts';

/** A line that was logged. */
export interface Line {
  level: string;
  message: string;
  [field: string]: unknown;
}

/** A logger that keeps its lines. */
export function collectingLogger(lines: Line[], bindings: object = {}): Logger {
  const method =
    (level: string) =>
    (first: object | string, message = ''): void => {
      lines.push({
        ...bindings,
        ...(typeof first === 'string' ? { message: first } : { ...first, message }),
        level,
      });
    };
  return {
    fatal: method('fatal'),
    error: method('error'),
    warn: method('warn'),
    info: method('info'),
    debug: method('debug'),
    trace: method('trace'),
    child: (more) => collectingLogger(lines, { ...bindings, ...more }),
    isLevelEnabled: () => true,
  };
}

const opened: Queue[] = [];

/** A queue in memory on a clock that stands still, without chance. Closed after the test, and definitions forgotten. */
export function bench(options: QueueOptions = {}): { queue: Queue; clock: FakeClock; lines: Line[] } {
  const clock = fakeClock();
  const lines: Line[] = [];
  const queue = createQueue({ clock, logger: collectingLogger(lines), random: () => 0, env: {}, ...options });
  opened.push(queue);
  return { queue, clock, lines };
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()));
  clearSlot('queue.registry');
});

/** A promise to be kept later. */
export function gate<T = void>(): { open: (value: T) => void; opened: Promise<T> } {
  let open: (value: T) => void = () => undefined;
  const waiting = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { open, opened: waiting };
}
