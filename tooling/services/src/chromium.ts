import type { Found } from './resolve.ts';

/** A browser to start: what a driver such as playwright-core's `chromium.launch()` takes. */
export interface Chromium {
  readonly executablePath: string;
  /** Arguments with which it runs headless, also as root, and asks nothing of the network by itself. */
  readonly args: readonly string[];
  /** Nothing runs yet, so nothing ends: who launches the browser closes it. */
  stop(): Promise<void>;
}

/** A browser that looks for updates and accounts meanwhile makes a test slow, and its failures somebody else's. */
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The browser that was found. */
export function chromiumFrom(found: Found): Chromium {
  const executablePath =
    found.from === 'environment'
      ? found.values.CHROMIUM_PATH
      : found.from === 'docker'
        ? undefined
        : found.programs.chromium;
  return { executablePath: executablePath ?? 'chromium', args, stop: async () => {} };
}
