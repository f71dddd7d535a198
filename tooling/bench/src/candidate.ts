// Runs one candidate of one benchmark and prints its figure: `candidate.ts <file> <case> <candidate>`.
import { writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { Benchmark } from './benchmark.ts';

const [file = '', name, who = ''] = process.argv.slice(2);
const exported = (await import(pathToFileURL(file).href)) as Record<string, Benchmark>;
const declared = Object.values(exported).find((value) => value.case === name);
const candidate = who === 'ours' ? declared?.ours : declared?.peers[who];
if (!candidate) throw new Error(`${file} has no candidate "${who}" of "${name}".`);
const value = await candidate();
if (!Number.isFinite(value)) throw new Error(`"${who}" of "${name}" returned ${value}, which is no figure.`);
// On a descriptor of its own: a candidate may write to standard output as part of its work.
writeSync(3, JSON.stringify({ value }));
process.exit(0);
