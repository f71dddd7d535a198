#!/usr/bin/env node
// Joins the files that tsc wrote into `dist` of the package in the working folder: a file for each entry, and chunks of
// what entries share or load later. Declarations stay as they are.
//   infra-join [more entries, as paths in dist]
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { build } from 'esbuild';
import { check } from './check.mjs';

/** A file as esbuild names it. */
const named = (file) => relative('.', file).replaceAll(sep, '/');

const ROOT = 'dist/index.js';
/** Holds the default instance. */
const INSTANCE = 'dist/module.js';

const { publishConfig } = JSON.parse(await readFile('package.json', 'utf8'));
const entryPoints = {};
for (const { default: file } of Object.values(publishConfig.exports))
  if (file?.endsWith('.js')) entryPoints[file.slice('./dist/'.length, -'.js'.length)] = file;
// Code that finds these by a URL relative to its own file lies in `dist` itself now, and so do they.
for (const more of process.argv.slice(2)) entryPoints[basename(more, '.js')] = join('dist', more);

const options = {
  entryPoints,
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  // What an import does stays what it is in Node.js: `sideEffects` is for those who bundle the result.
  ignoreAnnotations: true,
  chunkNames: '[name]-[hash]',
  sourcemap: true,
  sourcesContent: false,
  legalComments: 'none',
  metafile: true,
  write: false,
  allowOverwrite: true,
  logLevel: 'warning',
};

const { inputs } = (await build(options)).metafile;
const alone = new Set(
  Object.values(entryPoints)
    .map(named)
    .filter((file) => inputs[file].imports.length === 0),
);

function reachedFrom(file, reached = new Set()) {
  if (reached.has(file)) return reached;
  reached.add(file);
  for (const { path, kind, external } of inputs[file].imports)
    if (!external && kind === 'import-statement') reachedFrom(path, reached);
  return reached;
}

/**
 * A chunk is what the same entries reach, so that the root would be cut into one for each set of its files that is used
 * elsewhere. Therefore what is loaded later, when the root is there, and every entry that needs the default instance
 * import the whole root first. And an entry that imports nothing stays one file, which the others import: a page loads
 * it as it is, and a module that needs nothing else of the package loads no chunk beside it.
 */
const layout = {
  name: 'layout',
  setup({ onResolve, onLoad }) {
    const namespace = 'after the root';
    onResolve({ filter: /^\.|^dist/ }, ({ kind, path, resolveDir }) => {
      const file = named(resolve(resolveDir, path));
      const entry = kind === 'entry-point';
      if (!entry && alone.has(file)) return { path: `.${file.slice('dist'.length)}`, external: true };
      const before = entry ? file !== ROOT && reachedFrom(file).has(INSTANCE) : kind === 'dynamic-import';
      return before ? { path: resolve(file), namespace } : undefined;
    });
    onLoad({ filter: /./, namespace }, ({ path }) => ({
      contents: `import './${ROOT}'; export * from ${JSON.stringify(path)};`,
      resolveDir: resolve('.'),
    }));
  },
};

const { outputFiles } = await build({ ...options, plugins: [layout] });
await check(Object.keys(inputs), outputFiles);

// What is no part of the output any more: tsc's own files, and declarations whose source is gone.
const kept = new Set(outputFiles.map(({ path }) => path));
for (const name of await readdir('dist', { recursive: true })) {
  const path = resolve('dist', name);
  const [, declared] = /(.+)\.d\.ts(\.map)?$/.exec(name) ?? [];
  const isOver = declared
    ? !existsSync(join('src', `${declared}.ts`))
    : /\.js(\.map)?$/.test(name) && !kept.has(path);
  if (isOver) await rm(path);
}
for (const { path, contents } of outputFiles) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, contents);
}
