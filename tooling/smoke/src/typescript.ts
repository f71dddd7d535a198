import { createRequire } from 'node:module';
import { toolFile } from './tools.ts';

interface Compiler {
  transpileModule(code: string, options: object): { readonly outputText: string };
}

let compiler: Compiler | undefined;

/** An example's JavaScript, without checking its types. */
export function transpile(code: string): string {
  // TypeScript 7 has no programming interface, and Node.js 20 does not run TypeScript.
  compiler ??= createRequire(import.meta.url)(toolFile('typescript5', 'lib/typescript.js')) as Compiler;
  const compilerOptions = { target: 'ES2023', module: 'ESNext', verbatimModuleSyntax: true };
  return compiler.transpileModule(code, { compilerOptions }).outputText;
}
