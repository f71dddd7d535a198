import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadedBy, loadedFiles } from '../examples.mjs';

const files = {
  'package.json': JSON.stringify({
    name: '@vibeonrails/sample',
    type: 'module',
    exports: { '.': { '@vibeonrails/infra-source': './src/index.ts' }, './broken': './src/broken.ts' },
  }),
  'src/index.ts': "import 'plain';\nexport const later = () => import('lazy');\n",
  'src/broken.ts': "throw new Error('broken on import');\n",
  'node_modules/plain/package.json': '{ "name": "plain", "type": "module", "exports": "./index.js" }',
  'node_modules/plain/index.js': "import '@scope/required';\n",
  'node_modules/@scope/required/package.json': '{ "name": "@scope/required", "main": "index.cjs" }',
  'node_modules/@scope/required/index.cjs': "require('nested');\n",
  'node_modules/nested/package.json': '{ "name": "nested", "main": "index.cjs" }',
  'node_modules/nested/index.cjs': 'module.exports = 1;\n',
  'node_modules/lazy/package.json': '{ "name": "lazy", "type": "module", "exports": "./index.js" }',
  'node_modules/lazy/index.js': '',
};
let folder: string;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'infra loaded ')));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('imported and required packages are listed, what loads later is not', async () => {
  expect(await loadedBy(folder, '@vibeonrails/sample')).toEqual(['@scope/required', 'nested', 'plain']);
});

test('the files of the package itself are listed by path', async () => {
  expect(await loadedFiles(folder, '@vibeonrails/sample')).toContain(join(folder, 'src/index.ts'));
});

test('an import that fails shows why', async () => {
  await expect(loadedBy(folder, '@vibeonrails/sample/broken')).rejects.toThrow('broken on import');
});
