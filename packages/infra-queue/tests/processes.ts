import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, expect } from 'vitest';

/** A program of `fixtures` that runs. */
export interface Child {
  readonly process: ChildProcess;
  /** What it has said so far. */
  readonly lines: string[];
  /** Those of its lines that begin so. */
  said(beginning: string): string[];
}

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** How a test waits for what another process does. */
export const patient = { timeout: 40_000, interval: 50 };

/** Starts a program of `fixtures` and waits until it says that it is ready. */
export async function startChild(name: string, env: Record<string, string>): Promise<Child> {
  const inFixtures = (file: string): string => fileURLToPath(new URL(`fixtures/${file}`, import.meta.url));
  const loaders = ['--import', 'tsx', '--import', inFixtures('typescript.mjs')];
  const flags = [...loaders, '--conditions', '@vibeonrails/infra-source', inFixtures(name)];
  const child = spawn(process.execPath, flags, { env: { ...process.env, LOG_LEVEL: 'error', ...env } });
  children.push(child);
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (chunk) => {
      const parts = `${rest}${chunk}`.split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
    });
  }
  const up = (): boolean => lines.includes('ready') || child.exitCode !== null;
  await expect.poll(up, patient).toBe(true);
  if (!lines.includes('ready')) throw new Error(`${name} ended:\n${lines.join('\n')}`);
  return { process: child, lines, said: (beginning) => lines.filter((line) => line.startsWith(beginning)) };
}
