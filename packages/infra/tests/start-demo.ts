// The demo as a process of its own, on free ports.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** A demo that runs. */
export interface Demo {
  child: ChildProcessWithoutNullStreams;
  url: string;
  output: () => string;
}

/** Starts the demo and waits for its URL. Who starts it kills it. */
export async function startDemo(
  args: readonly string[] = [],
  extra: Record<string, string> = {},
): Promise<Demo> {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const entry = fileURLToPath(new URL('../examples/demo.ts', import.meta.url));
  const flags = ['--import', tsx, '--conditions', '@vibeonrails/infra-source', entry, '--port', '0', ...args];
  const { NODE_ENV: _, ...env } = process.env;
  const child = spawn(process.execPath, flags, {
    env: { ...env, OPS_PORT: '0', LOG_LEVEL: 'info', ...extra },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
  while (!/runs at +http\S+/.test(text)) {
    if (child.exitCode !== null) throw new Error(`The demo ended with ${child.exitCode}:\n${text}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { child, url: /runs at +(http\S+)/.exec(text)?.[1] ?? '', output: () => text };
}
