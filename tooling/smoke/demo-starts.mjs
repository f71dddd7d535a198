// Runs `npm run demo` as a newcomer would, waits for its URL, asks for the page, stops it with SIGINT and wants exit code 0.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const LIMIT = 180_000;
const root = fileURLToPath(new URL('../..', import.meta.url));
// A group of its own, so that the signal reaches the demo behind npm as Ctrl-C in a terminal would.
const demo = spawn('npm', ['run', 'demo'], {
  cwd: root,
  detached: true,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const timer = setTimeout(() => process.kill(-demo.pid, 'SIGKILL'), LIMIT);
const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(1);

let output = '';
let asked = false;
demo.stdout.setEncoding('utf8').on('data', async (chunk) => {
  output += chunk;
  const url = /runs at\s+(http:\S+)/.exec(output)?.[1];
  if (!url || asked) return;
  asked = true;
  const response = await fetch(url).catch((error) => ({ ok: false, status: String(error) }));
  console.log(`the demo answered ${response.status} at ${url} after ${seconds()} s`);
  if (!response.ok) process.exitCode = 1;
  process.kill(-demo.pid, 'SIGINT');
});

const [code, signal] = await once(demo, 'close');
clearTimeout(timer);
const drained = output.includes('Drained');
console.log(`the demo stopped with ${signal ?? code} after ${seconds()} s`);
if (!asked || !drained) {
  process.exitCode = 1;
  console.error(`the demo ${asked ? 'did not say what it drained' : 'never printed its URL'}:\n${output}`);
}
