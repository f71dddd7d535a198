import { findUws } from '../src/engines/uws-library.ts';

/** Why tests of uWebSockets.js are skipped: its binary runs on some versions of Node alone. Empty where it runs. */
export const noUws: string = await findUws().then(
  (found) => (found ? '' : ' (skipped: neither uWebSockets.js nor @uwsjs/core is installed)'),
  (err: Error) => ` (skipped on Node ${process.version}: ${String(err.cause)})`,
);
