// Runs one case on one seed and answers with its outcome on descriptor 3: `run-one.ts <file> <case> <seed>`.
import { writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type ChaosCase, randomFrom } from './chaos.ts';

const [file = '', name, seedText] = process.argv.slice(2);
const seed = Number(seedText);
const exported = (await import(pathToFileURL(file).href)) as Record<string, ChaosCase>;
const found = Object.values(exported).find((value) => value.case === name);
if (!found) throw new Error(`${file} has no case "${name}".`);
writeSync(3, JSON.stringify(await found.run({ seed, random: randomFrom(seed) })));
process.exit(0);
