import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';

/** Names of classes, written `class A` or `A = class`; and words of comments and strings, which do no harm here. */
const classesOf = (text) =>
  [...text.matchAll(/\bclass (?!extends\b)([\w$]+)|([\w$]+) =(?= class\b)/g)].map(([, a, b]) => a ?? b);

/** Throws when joining the files `inputs` to `joined` changed what it must not. */
export async function check(inputs, joined) {
  const texts = await Promise.all(inputs.map((file) => readFile(file, 'utf8')));
  const classes = new Set(texts.flatMap(classesOf));
  for (const { path, text } of joined) {
    const file = relative('.', path);
    if (!file.endsWith('.js')) continue;
    const renamed = classesOf(text).filter((name) => !classes.has(name));
    if (renamed.length > 0)
      throw new Error(
        `${file}: a class would be called ${renamed.join(', ')}, and an error's name is that of its class. ` +
          'Give it a name that nothing else in the package has, and do not use that name in its static parts.',
      );
    const helper = [...text.matchAll(/^var (__\w+) =/gm)]
      .map(([, name]) => name)
      .find((name) => !texts.some((written) => written.includes(name)));
    if (helper)
      throw new Error(
        `${file}: esbuild adds its helper ${helper}, which costs at every use. ` +
          'Where it is for `export *` from another package or for `import *`, name what is used.',
      );
  }
}
