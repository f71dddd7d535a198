// The lines of this demo that the page shows beside each step: cut from the files that run, so that they cannot differ.
import { readFile } from 'node:fs/promises';

/** The file, the start of the first line, and the start of the last. */
const places: Record<string, readonly [file: string, from: string, to: string]> = {
  received: ['sign-up.ts', 'const form = ', '});'],
  stored: ['sign-up.ts', 'const { key, size }', 'await announce'],
  enqueued: ['sign-up.ts', 'await savePerson', 'await announce'],
  working: ['welcome.ts', 'export const welcome', '});'],
  'e-mailed': ['welcome.ts', 'const sent = ', 'await announce'],
  live: ['feed.ts', 'export async function announce', '}'],
  signed: ['routes.ts', 'async function person', '}'],
  people: ['people.ts', 'export function countPeople', '}'],
  boot: ['application.ts', 'const app = await boot', 'if (roles'],
  cron: ['welcome.ts', 'defineCron', '});'],
};

/** A piece of the demo's own source. */
export interface Excerpt {
  file: string;
  code: string;
}

/** Every piece by the name the page knows it under. */
export async function excerpts(): Promise<Record<string, Excerpt>> {
  const cut = Object.entries(places).map(async ([name, place]) => [name, await excerpt(...place)] as const);
  return Object.fromEntries(await Promise.all(cut));
}

async function excerpt(file: string, from: string, to: string): Promise<Excerpt> {
  const lines = (await readFile(new URL(file, import.meta.url), 'utf8')).split('\n');
  const first = lines.findIndex((line) => line.trimStart().startsWith(from));
  const indent = lines[first]?.search(/\S/) ?? 0;
  const isLast = (line: string): boolean => line.search(/\S/) === indent && line.trimStart().startsWith(to);
  const length = lines.slice(first + 1).findIndex(isLast);
  if (first < 0 || length < 0) throw new Error(`No lines from "${from}" to "${to}" in ${file}.`);
  const code = lines.slice(first, first + length + 2).map((line) => line.slice(indent));
  return { file: `examples/${file}`, code: code.join('\n') };
}
