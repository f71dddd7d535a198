import { expect, test } from 'vitest';
import { publishedPackages } from '../src/packages.ts';
import { asCommonJs, firstExample, forNpm, installLines, namesIn } from '../src/readme.ts';

test('the install block is taken as printed, and tells what it installs', () => {
  const lines = installLines(
    '# x\n\n```sh\npnpm add a --allow-build=b\npnpm add c # why\n```\n\n```ts\n```\n',
  );
  expect(lines).toEqual(['pnpm add a --allow-build=b', 'pnpm add c # why']);
  expect(namesIn(lines)).toEqual(['a', 'c']);
  expect(lines.map(forNpm)).toEqual(['npm install a', 'npm install c # why']);
});

test('a README without an install block before its first example is refused', () => {
  expect(() => installLines('```ts\n```\n```sh\npnpm add a\n```\n')).toThrow('no ```sh block');
});

test('imports become require, in whatever form', () => {
  const code =
    "import { a, b as c } from 'x';\nimport * as d from 'y';\nimport {\n  e,\n} from 'z';\nawait a(d, e);\n";
  expect(asCommonJs(code)).toBe(
    "(async () => {\nconst { a, b: c } = require('x');\nconst d = require('y');\nconst {\n  e,\n} = require('z');\nawait a(d, e);\n\n})();\n",
  );
  expect(() => asCommonJs("import x from 'x';")).toThrow('cannot rewrite');
});

test.each(publishedPackages().map((found) => [found.short, found] as const))(
  '%s: its README installs the package first and has an example',
  (_, { name, readme }) => {
    expect(namesIn(installLines(readme))[0]).toBe(name);
    expect(firstExample(readme)).toContain(name);
  },
);
