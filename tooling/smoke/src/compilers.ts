import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './commands.ts';
import { inPairs } from './report.ts';
import { toolFile } from './tools.ts';

/** A program of a consumer: its name, what it imports. */
export interface Source {
  readonly name: string;
  readonly imports: readonly string[];
}

/** What a compiler said of a program, and which files took part. */
export interface Compiled {
  readonly name: string;
  readonly errors: readonly string[];
  readonly files: readonly string[];
}

/** Compiles programs in an application's folder, each on its own. */
export type Compile = (
  application: string,
  sources: readonly Source[],
  options: object,
) => Promise<Compiled[]>;

const textOf = ({ imports }: Source): string =>
  imports
    .map((entry, i) => `import * as m${i} from '${entry}';\nexport const n${i}: object = m${i};\n`)
    .join('');

/** TypeScript 7: a process for each program, which takes half a second. */
export const typescript7: Compile = async (application, sources, compilerOptions) => {
  const compiled: Compiled[] = [];
  await inPairs([...sources.entries()], async ([index, source]) => {
    const cwd = join(application, `program-${index}`);
    await mkdir(cwd, { recursive: true });
    await writeFile(join(cwd, 'main.ts'), textOf(source));
    await writeFile(join(cwd, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }));
    const args = [toolFile('typescript7', 'bin/tsc'), '-p', '.', '--listFiles', '--pretty', 'false'];
    const { stdout } = await run(process.execPath, args, { cwd, mayFail: true });
    const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith(' '));
    const errors = lines.filter((line) => line.includes('error TS'));
    const files = lines.filter((line) => !line.includes('error TS')).map((file) => resolve(cwd, file));
    compiled.push({ name: source.name, errors, files });
  });
  return compiled;
};

/** TypeScript 5.9: one process for all, since each program would take it three seconds. */
export const typescript5: Compile = async (application, sources, options) => {
  const programs = sources.map((source, index) => ({ source, file: `program-${index}.ts`, options }));
  for (const { source, file } of programs) await writeFile(join(application, file), textOf(source));
  await writeFile(join(application, 'programs.json'), JSON.stringify(programs));
  const program = fileURLToPath(new URL('../programs/typescript-5.cjs', import.meta.url));
  const args = [program, toolFile('typescript5', 'lib/typescript.js'), application];
  const { stdout } = await run(process.execPath, args, { cwd: application });
  return stdout
    .trim()
    .split('\n')
    .map((line, index) => ({ ...(JSON.parse(line) as Compiled), name: sources[index]?.name ?? '' }));
};
