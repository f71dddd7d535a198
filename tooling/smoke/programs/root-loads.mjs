// Imports the root of a package and ends with 1 when that loads a library, which is for first use. Argument: the package.
import { Session } from 'node:inspector/promises';

const HEAVY = [
  'bullmq',
  'croner',
  'hot-shots',
  'ioredis',
  'minio',
  'nunjucks',
  'pino',
  'resend',
  'uWebSockets.js',
  'ws',
];
const [name] = process.argv.slice(2);
const loaded = new Set();
const session = new Session();
session.connect();
session.on('Debugger.scriptParsed', ({ params: { url } }) => {
  const found = url.match(/^.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1];
  if (found && HEAVY.includes(found)) loaded.add(found);
});
await session.post('Debugger.enable');
await import(name);
if (loaded.size > 0) {
  console.error(`importing ${name} loads ${[...loaded].join(', ')}`);
  process.exitCode = 1;
}
session.disconnect();
