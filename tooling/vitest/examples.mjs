import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { test } from 'vitest';

/** By absolute URL, because the child runs in a folder from which `tsx` does not resolve. */
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const nodeFlags = ['--import', tsx, '--conditions', '@vibeonrails/infra-source'];
/** What the loader itself brings into the process it serves. */
const loaderPackages = new Set(['tsx', 'esbuild', 'get-tsconfig', 'resolve-pkg-maps']);
const timeLimit = 30_000;

export function runExamples(packageFolder, files = ['README.md', 'SKILL.md']) {
  const folder = toFolder(packageFolder);
  for (const file of files) {
    if (file.endsWith('.ts')) {
      const options = { timeout: timeLimit + 5_000 };
      test(`${file} runs`, options, () => runScript(folder, { file, line: 1, script: join(folder, file) }));
      continue;
    }
    const examples = examplesIn(join(folder, file));
    if (examples.length === 0) {
      test(`${file} has an example that runs`, () => {
        const what = existsSync(join(folder, file)) ? 'has no ```ts block' : 'does not exist';
        throw new Error(`${join(folder, file)} ${what}`);
      });
    }
    for (const [index, { code, line }] of examples.entries()) {
      const name = `${file.replaceAll(/[^\w.-]/g, '_')}-${index + 1}.ts`;
      const options = { timeout: timeLimit + 5_000 };
      test(`${file}:${line} runs as printed`, options, () => runExample(folder, { file, line, name, code }));
    }
  }
}

async function runExample(folder, { file, line, name, code }) {
  const script = join(await exampleFolder(folder), name);
  await writeFile(script, code);
  await runScript(folder, { file, line, script });
}

async function runScript(folder, { file, line, script }) {
  const cwd = await mkdtemp(join(tmpdir(), 'infra-example-'));
  try {
    const { status, output } = await runNode([script], { cwd, env: { NODE_ENV: 'test' } });
    if (status === 'exit code 0') return;
    const error = new Error(`The example at ${file}:${line} ended with ${status}\n\n${output}`);
    error.stack = `${error.name}: ${error.message}\n    at ${join(folder, file)}:${line}:1`;
    throw error;
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}

/** The ```ts blocks of a Markdown file: their code, and the line of the file on which it starts. */
function examplesIn(path) {
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8').replaceAll('\r\n', '\n');
  const blocks = text.matchAll(/^(?<open>([ \t]*)(`{3,})ts\b[^\n]*\n)(?<code>[\s\S]*?)^\2\3[ \t]*$/gm);
  return Array.from(blocks, ({ index, groups: { open, code } }) => ({
    code,
    line: text.slice(0, index + open.length).split('\n').length,
  }));
}

/**
 * A folder inside the package, so that the example resolves what the package depends on. Node stops looking for
 * the package that a file belongs to at `node_modules`, hence the link that stands in for the self-reference.
 */
async function exampleFolder(folder) {
  const { name } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const home = join(folder, 'node_modules', '.cache', 'examples');
  const link = join(home, 'node_modules', ...name.split('/'));
  await mkdir(dirname(link), { recursive: true });
  await symlink(relative(dirname(link), folder), link, 'junction').catch((error) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await writeFile(join(home, 'package.json'), '{ "type": "module" }\n');
  return home;
}

export async function loadedBy(packageFolder, specifier) {
  const packages = (await loadedFiles(packageFolder, specifier)).flatMap((file) => {
    const name = file.match(/^.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/)?.[1]?.replace('\\', '/');
    return name && !loaderPackages.has(name) ? [name] : [];
  });
  return [...new Set(packages)].sort();
}

export async function loadedFiles(packageFolder, specifier) {
  // V8's coverage names every script of the process, imported or required, on any version of Node.
  const reports = await mkdtemp(join(tmpdir(), 'infra-loaded-'));
  try {
    const code = `await import(${JSON.stringify(specifier)})`;
    const { status, output } = await runNode(['--input-type=module', '--eval', code], {
      cwd: toFolder(packageFolder),
      env: { NODE_ENV: 'test', NODE_V8_COVERAGE: reports },
    });
    if (status !== 'exit code 0') {
      throw new Error(`Importing ${specifier} in a fresh process ended with ${status}\n\n${output}`);
    }
    return await filesIn(reports);
  } finally {
    await rm(reports, { recursive: true, force: true });
  }
}

/** Reads the main thread's report alone: the other threads are the loader's. */
async function filesIn(reports) {
  const names = (await readdir(reports)).filter((name) => /-0\.json$/.test(name));
  const scripts = await Promise.all(names.map((name) => readFile(join(reports, name), 'utf8')));
  const urls = scripts.flatMap((report) => JSON.parse(report).result.map(({ url }) => url));
  const files = urls.filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url.split('?')[0]));
  return [...new Set(files)].sort();
}

/** Asynchronous on purpose: the test worker must stay able to answer. */
async function runNode(args, { cwd, env }) {
  const { FORCE_COLOR, NODE_OPTIONS, NODE_V8_COVERAGE, ...inherited } = process.env;
  const child = spawn(process.execPath, [...nodeFlags, ...args], {
    cwd,
    env: { ...inherited, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
    });
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, timeLimit);
  const [code, signal] = await once(child, 'close').finally(() => clearTimeout(timer));
  if (late)
    return { status: `a kill after ${timeLimit / 1000} s: something keeps the process alive`, output };
  return { status: signal ? `signal ${signal}` : `exit code ${code}`, output };
}

const toFolder = (folder) =>
  folder instanceof URL || folder.startsWith('file:') ? fileURLToPath(folder) : folder;
