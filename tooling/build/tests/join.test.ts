import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';

const program = fileURLToPath(new URL('../join.mjs', import.meta.url));

/** A package as tsc leaves it: what is loaded later and the tests' entry each use a part of the root. */
const FILES = {
  'index.js': `export { AError } from './errors.js'; export { used, later } from './module.js';`,
  'errors.js': `export class AError extends Error { constructor() { super(); this.name = new.target.name; } }`,
  'module.js': `import { LEAF } from './leaf.js'; export const used = [LEAF];
    export const later = () => import('./parts/engine.js');`,
  'parts/engine.js': `import { AError } from '../errors.js'; export { lock } from './lock.js';
    export const fail = () => new AError();`,
  'parts/thread.js': `import { lock } from './lock.js'; lock();`,
  'parts/lock.js': `export const lock = () => 1;`,
  'testing.js': `import { used } from './module.js'; export const fake = () => used.push('fake');`,
  'leaf.js': `export const LEAF = 'leaf';`,
  'index.d.ts': 'export {};',
  'gone.d.ts': 'export {};',
  'stale-ABCDEFGH.js': '',
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'infra join '));
  const entries = ['index', 'testing', 'leaf'].map((name) => [name, { default: `./dist/${name}.js` }]);
  const publishConfig = { exports: { ...Object.fromEntries(entries), './package.json': './package.json' } };
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', publishConfig }));
  await write(FILES);
  await mkdir(join(folder, 'src'));
  await writeFile(join(folder, 'src', 'index.ts'), '');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, 'dist', name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

const joinFiles = (...more: string[]): Promise<unknown> =>
  promisify(execFile)(process.execPath, [program, ...more], { cwd: folder });
/** What the entries export, together. */
interface Exports {
  readonly used: readonly string[];
  later(): Promise<{ fail(): Error }>;
  fake(): void;
}
const load = (name: string): Promise<Exports> =>
  import(/* @vite-ignore */ pathToFileURL(join(folder, 'dist', name)).href);
const text = (name: string): Promise<string> => readFile(join(folder, 'dist', name), 'utf8');
/** The files a joined file imports at once. */
const importsOf = async (name: string): Promise<string[]> =>
  [...(await text(name)).matchAll(/^(?:import|\} from).*"(\.\/.+)"/gm)].map(([, path]) => path ?? '');

test('a root is its entry and one chunk, however much of it others use; no file is left of what tsc wrote', async () => {
  await joinFiles('parts/thread.js');
  const [chunk, ...others] = await importsOf('index.js');
  expect(others).toEqual([]);
  expect(await importsOf(chunk ?? '')).toEqual(['./leaf.js']);
  const files = (await readdir(join(folder, 'dist'), { recursive: true })).filter(
    (name) => !name.endsWith('.map'),
  );
  expect(files.map((name) => name.replace(/-[A-Z0-9]{8}/, '')).sort()).toEqual([
    'chunk.js',
    'chunk.js',
    'engine.js',
    'index.d.ts',
    'index.js',
    'leaf.js',
    'parts',
    'testing.js',
    'thread.js',
  ]);
});

test('entries share state, and errors keep their names', async () => {
  await joinFiles('parts/thread.js');
  const { used, later } = await load('index.js');
  (await load('testing.js')).fake();
  expect(used).toEqual(['leaf', 'fake']);
  expect((await later()).fail().name).toBe('AError');
});

test('an entry that imports nothing stays one file', async () => {
  await joinFiles();
  expect(await importsOf('leaf.js')).toEqual([]);
  expect(await text('leaf.js')).toContain('LEAF = "leaf"');
});

test('what would rename a class is refused, and nothing is written', async () => {
  await write({ 'module.js': `class AError {} export const used = [AError]; export const later = 0;` });
  await expect(joinFiles()).rejects.toThrow('AError2');
  await write({
    'module.js': `export class Own { static one = new Own(); } export const used = [Own], later = 0;`,
  });
  await expect(joinFiles()).rejects.toThrow('_Own');
  expect(await text('parts/engine.js')).toBe(FILES['parts/engine.js']);
});

test('what needs helpers at run time is refused', async () => {
  await write({
    'errors.js': `export * from 'node:events'; export class AError {}`,
    'leaf.js': `var __ours = 'leaf'; export const LEAF = __ours;`,
  });
  await expect(joinFiles()).rejects.toThrow('name what is used');
});
