/** The commands of a README's install block, as printed. */
export function installLines(readme: string): string[] {
  const [before = ''] = readme.split(/^```ts\b/m);
  const block = /^```sh\n([\s\S]*?)^```$/m.exec(before)?.[1];
  if (!block)
    throw new Error('The README has no ```sh block with install commands before its first example.');
  return block.split('\n').filter((line) => line.trim() !== '');
}

/** The same command for npm, which has neither `add` nor pnpm's list of dependencies that may build. */
export function forNpm(line: string): string {
  return line.replace(/^pnpm add\b/, 'npm install').replaceAll(/ --allow-build=\S+/g, '');
}

/** What the commands install, such as `@vibeonrails/infra-queue` and `zod`. */
export function namesIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) =>
    (line.split(' #')[0] ?? '')
      .split(/\s+/)
      .slice(2)
      .filter((word) => word !== '' && !word.startsWith('-')),
  );
}

/** The first example of a README. */
export function firstExample(readme: string): string {
  const code = /^```ts\n([\s\S]*?)^```$/m.exec(readme)?.[1];
  if (!code) throw new Error('The README has no ```ts block.');
  return code;
}

/** A module's JavaScript as a CommonJS script: `require` in place of `import`, inside an async function. */
export function asCommonJs(code: string): string {
  const body = code
    .replaceAll(/^import \* as (\w+) from (['"][^'"]+['"]);?$/gm, 'const $1 = require($2);')
    .replaceAll(/^import (\{[^}]*\}) from (['"][^'"]+['"]);?$/gm, (_, names: string, from: string) => {
      return `const ${names.replaceAll(' as ', ': ')} = require(${from});`;
    });
  if (/^import\b(?!\()/m.test(body)) throw new Error(`An import this cannot rewrite:\n${body}`);
  return `(async () => {\n${body}\n})();\n`;
}
