// Compiles programs of one line each with TypeScript 5's programming interface, in one process: the library files and
// those of Node.js are read once, not once a program. Arguments: the compiler, a folder. The folder's programs.json
// lists `{ file, options }`; prints, for each, what went wrong and which files took part, as JSON lines.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const [compilerFile, folder] = process.argv.slice(2);
const ts = require(compilerFile);
const sources = new Map();

function hostOf(options) {
  const host = ts.createCompilerHost(options);
  const { getSourceFile } = host;
  host.getCurrentDirectory = () => folder;
  host.getSourceFile = (file, language, ...rest) => {
    // Whether a file is an ES module is kept in it, so that no two settings may share one.
    const key = `${file} ${JSON.stringify(language)}`;
    if (!sources.has(key)) sources.set(key, getSourceFile.call(host, file, language, ...rest));
    return sources.get(key);
  };
  return host;
}

for (const { file, options } of JSON.parse(readFileSync(join(folder, 'programs.json'), 'utf8'))) {
  const parsed = ts.convertCompilerOptionsFromJson(options, folder).options;
  const program = ts.createProgram([join(folder, file)], parsed, hostOf(parsed));
  const errors = ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const { line } = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start) ?? { line: -1 };
    const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ');
    return `${diagnostic.file?.fileName ?? ''}(${line + 1}): error TS${diagnostic.code}: ${text}`;
  });
  const files = program.getSourceFiles().map(({ fileName }) => fileName);
  process.stdout.write(`${JSON.stringify({ file, errors, files })}\n`);
}
