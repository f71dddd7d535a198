// Adds to a shared counter `times` times, reading and writing back with a condition; then races for `keys` keys.
import { createStorage } from '../src/client.ts';

const [dir = '', times = '0', keys = '0'] = process.argv.slice(2);
const storage = createStorage({ dir, env: {} });
const codeOf = (err: unknown): unknown => (err as { code?: unknown }).code;

for (let done = 0; done < Number(times); ) {
  const file = await storage.get('counter');
  const count = Number(await file.text());
  try {
    await storage.put('counter', String(count + 1), { ifMatch: file.info.etag });
    done += 1;
  } catch (err) {
    if (codeOf(err) !== 'E_STORAGE_CONFLICT') throw err;
  }
}
const won: string[] = [];
for (let i = 0; i < Number(keys); i += 1) {
  try {
    await storage.put(`race/${i}`, String(process.pid), { ifAbsent: true });
    won.push(`race/${i}`);
  } catch (err) {
    if (codeOf(err) !== 'E_STORAGE_EXISTS') throw err;
  }
}
process.stdout.write(JSON.stringify(won));
