import { type Compile, type Compiled, type Source, typescript5, typescript7 } from './compilers.ts';
import { newConsumer, packageManagers } from './consumer.ts';
import { type Package, SCOPE } from './packages.ts';
import { installLines } from './readme.ts';
import type { Registry } from './registry.ts';
import type { Report } from './report.ts';

/** Settings of a server's tsconfig.json; without `lib`, TypeScript adds the DOM. */
const strict = { module: 'NodeNext', target: 'ES2023', strict: true, skipLibCheck: false, noEmit: true };
const server = { ...strict, lib: ['ES2023'], types: ['node'] };

/** The packages whose types may show: ours and those of Node.js; in an entry for logging, those of pino, which it is. */
const ALWAYS = /^(@vibeonrails\/.*|@types\/node|undici-types)$/;
const LOGGING = /^(pino|pino-std-serializers|sonic-boom|thread-stream|@pinojs\/redact)$/;

/** Compiles every entry alone and all together, as applications do that check their libraries' types too. */
export async function proveTypes(
  packages: readonly Package[],
  registry: Registry,
  report: Report,
): Promise<void> {
  const entries = packages.flatMap((found) => found.entries);
  // The meta-package's subpaths are the modules' own entries: alone, they count once.
  const alone = entries
    .filter((entry) => !entry.startsWith(`${SCOPE}/infra/`))
    .map((entry) => ({ name: entry, imports: [entry] }));
  const sources = [...alone, { name: 'all entries together', imports: entries }];
  const withNode = await installAll(packages, registry, ['@types/node@24']);
  const strictly = async (name: string, compile: Compile, options: object): Promise<void> => {
    await report.check(`types: ${name}`, async () => {
      const compiled = await compile(withNode, sources, options);
      complain(compiled, foreign(compiled, sources, 'lib' in options));
      return `${alone.length} entries alone, ${entries.length} together`;
    });
  };
  await strictly('TypeScript 5.9', typescript5, server);
  await strictly('TypeScript 7', typescript7, server);
  await strictly('TypeScript 7 without "types" in tsconfig.json', typescript7, strict);
  await report.check('types: TypeScript 7 without @types/node', async () => {
    const withoutNode = await installAll(packages, registry, []);
    const compiled = await typescript7(withoutNode, alone, strict);
    const failed = compiled.filter(({ errors }) => errors.length > 0);
    // A browser has no Node.js, and its application no reason to install the types.
    complain(failed.filter(({ name }) => name.endsWith('/client')));
    const names = failed.map(({ name }) => name.slice(name.indexOf('/') + 1)).sort();
    return names.length === 0 ? 'every entry' : `all but ${names.join(', ')}`;
  });
  report.say('');
}

async function installAll(
  packages: readonly Package[],
  registry: Registry,
  more: readonly string[],
): Promise<string> {
  const application = await newConsumer('types', registry);
  const pnpm = (await packageManagers()).at(-1);
  const blocks = packages.map(({ readme }) => installLines(readme).join(' '));
  const builds = new Set(blocks.flatMap((block) => block.match(/--allow-build=\S+/g) ?? []));
  const names = packages.map(({ name }) => name);
  await pnpm?.run(['pnpm add', ...names, ...more, ...builds].join(' '), application);
  return application;
}

/** Fails with each distinct error and the entries it shows in. */
function complain(compiled: readonly Compiled[], more: readonly string[] = []): void {
  const where = new Map<string, string[]>();
  for (const { name, errors } of compiled)
    for (const error of errors) {
      const short = error.replace(/^.*node_modules\//, '');
      where.set(short, [...(where.get(short) ?? []), name]);
    }
  const lines = [...where].map(
    ([error, names]) => `${error}\n    in ${names[0]} and ${names.length - 1} more`,
  );
  if (lines.length + more.length > 0) throw new Error([...lines, ...more].join('\n'));
}

function foreign(compiled: readonly Compiled[], sources: readonly Source[], noDom: boolean): string[] {
  return compiled.flatMap(({ name, files }) => {
    const imports = sources.find((source) => source.name === name)?.imports ?? [];
    const logs = imports.some((entry) => entry.endsWith('/logging'));
    const packages = files.map(
      (file) => /[/\\]\.pnpm[/\\].*node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)/.exec(file)?.[1] ?? '',
    );
    const found = new Set(
      packages.filter((one) => one !== '' && !ALWAYS.test(one) && !(logs && LOGGING.test(one))),
    );
    if (noDom && files.some((file) => file.endsWith('lib.dom.d.ts'))) found.add('the DOM');
    // The compiler itself is installed by pnpm too.
    for (const one of found) if (/^(@typescript\/.*|typescript)$/.test(one)) found.delete(one);
    return found.size > 0 ? [`${name} brings in the types of ${[...found].join(', ')}`] : [];
  });
}
