// Prints what importing a package takes beyond infra-core's root, in milliseconds by the clock; of infra-core itself,
// all it takes. Argument: the package.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [name] = process.argv.slice(2);
const core = '@vibeonrails/infra-core';
const file = createRequire(import.meta.url).resolve(name);
if (name !== core) await import(pathToFileURL(createRequire(file).resolve(core)).href);
const started = performance.now();
await import(pathToFileURL(file).href);
console.log(performance.now() - started);
