import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { startNode } from '@vibeonrails/bench/child';
import { chaos, type Random } from '../../src/chaos.ts';

/** The ways in which a program ends while it logs. Each says how many lines it had written, then is gone. */
const ENDS = {
  'process.exit': 'end();',
  'process.exit in a promise': 'await null; end();',
  'process.exit in a timer': 'setTimeout(end, 1);',
  'a line in the exit handler': "process.on('exit', () => { line(); tell(); }); process.exit(0);",
  'an uncaught error': "process.on('uncaughtException', () => end()); throw new Error('uncaught');",
  'its own end': "process.on('exit', tell);",
} as const;

const program = (lines: number, size: number, unblocked: boolean, end: string): string => `
  import { writeSync } from 'node:fs';
  import { logger } from '@vibeonrails/infra-core/logging';
  ${unblocked ? "process.stdout.write('');" : ''}
  let written = 0;
  const filler = 'x'.repeat(${size});
  const line = () => { logger.info({ i: written, filler }, 'line'); written += 1; };
  const tell = () => writeSync(3, String(written));
  const end = () => { tell(); process.exit(0); };
  for (let i = 0; i < ${lines}; i += 1) line();
  ${end}`;

/** Reads a pipe the way a slow log collector does: with pauses. */
async function readSlowly(stream: Readable, random: Random): Promise<string> {
  let seen = '';
  await sleep(random.below(300));
  for await (const chunk of stream.setEncoding('utf8')) {
    seen += chunk;
    await sleep(random.below(4));
  }
  return seen;
}

export const logLines = chaos({
  case: 'up to 5,000 log lines into a slow pipe, and the process ends at once',
  runs: 12,
  async run({ random }) {
    const how = random.pick(Object.keys(ENDS) as (keyof typeof ENDS)[]);
    const lines = 1 + random.below(5000);
    const code = program(lines, random.below(400), random.below(2) === 0, ENDS[how]);
    const args = ['--input-type=module', '--eval', code];
    const child = startNode(args, ['ignore', 'pipe', 'inherit', 'pipe']);
    const [written, out] = await Promise.all([
      text(child.stdio[3] as Readable),
      readSlowly(child.stdout!, random),
      child.exitCode ?? once(child, 'close'),
    ]);
    const seen = out
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { i: number }).i);
    return {
      expected: { how, lines: Number(written), inOrder: true },
      seen: { how, lines: seen.length, inOrder: seen.every((i, at) => i === at) },
    };
  },
});
