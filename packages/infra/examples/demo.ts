// A small sign-up application on all eight modules. `npm run demo -- --help` says how to start it.
import { parseArgs } from 'node:util';
import { runApplication } from './application.ts';
import { runOnEngines } from './engines.ts';

const HELP = `
npm run demo                          one process on embedded drivers: no server, no key
npm run demo -- --redis --s3 --uws    on engines, any of them: starts the servers, and runs the same
                                      application in two web processes and a worker beside them

  --redis      queue, cache and realtime on Redis
  --s3         files in an S3-compatible store
  --uws        WebSockets by uWebSockets.js
  --port N     the first web process listens here; otherwise on the first free port from 3000 up
`;

const { values: flags } = parseArgs({
  options: {
    redis: { type: 'boolean', default: false },
    s3: { type: 'boolean', default: false },
    uws: { type: 'boolean', default: false },
    port: { type: 'string' },
    // Set by the demo itself for the processes it starts.
    role: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
// The thread that renews the locks of jobs runs from source too, here and in the processes that this one starts.
const threads = new URL('threads.mjs', import.meta.url).href;
const inherited = process.env.NODE_OPTIONS ?? '';
if (!inherited.includes(threads)) process.env.NODE_OPTIONS = `${inherited} --import ${threads}`.trim();

const port = flags.port === undefined ? undefined : Number(flags.port);
if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port < 65_536)) {
  console.error('--port takes a number from 0 to 65535; 0 is any free one.');
  process.exit(2);
}

if (flags.help) console.log(HELP);
else if (flags.role === 'web' || flags.role === 'worker') await runApplication([flags.role], port);
else if (flags.redis || flags.s3 || flags.uws) await runOnEngines(flags, port);
else await runApplication(['web', 'worker'], port);
