import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { brokenLinks } from '../src/links.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'infra links '));
  mkdirSync(join(folder, 'docs'));
  writeFileSync(
    join(folder, 'docs/page.md'),
    '# Läuft `x` & more\n\n## Twice\n\n## Twice\n\n<a id="own"></a>\n',
  );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The targets of a page's links that lead nowhere. */
function broken(text: string): string[] {
  writeFileSync(join(folder, 'README.md'), text);
  return brokenLinks(folder, ['README.md']).map(({ target, line }) => `${line} ${target}`);
}

test('a link to a file or folder that is there is fine, one to a file that is not is named with its line', () => {
  expect(broken('[a](docs/page.md) [b](docs)\n\n[c](docs/none.md "title")')).toEqual(['3 docs/none.md']);
});

test('an anchor must be that of a heading, or given in HTML', () => {
  expect(broken('[a](docs/page.md#läuft-x--more) [b](docs/page.md#twice-1) [c](docs/page.md#own)')).toEqual(
    [],
  );
  expect(broken('# Here\n[a](#here) [b](#there) [c](docs/page.md#twice-2)')).toEqual([
    '2 #there',
    '2 docs/page.md#twice-2',
  ]);
});

test('links by reference and in HTML are checked, those to other hosts are not', () => {
  expect(broken('[a][x]\n\n[x]: none.md\n\n<img src="none.png">\n[y](https://example.com/none#z)')).toEqual([
    '3 none.md',
    '5 none.png',
  ]);
});

test('what is printed as code is no link', () => {
  expect(broken('`[a](none.md)`\n\n```md\n[b](none.md)\n```\n\n[c](none.md)')).toEqual(['7 none.md']);
});

test('a link that leaves the repository is broken: it is for the reader of a clone', () => {
  expect(broken('[a](../outside.md)')).toEqual(['1 ../outside.md']);
});
