import { fileURLToPath } from 'node:url';
import { main } from './main.ts';

process.exitCode = await main(process.argv.slice(2), {
  root: fileURLToPath(new URL('../modules/', import.meta.url)),
  print: (text) => console.log(text),
  say: (line) => console.error(line),
});
