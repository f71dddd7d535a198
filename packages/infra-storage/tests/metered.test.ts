import { expect, test } from 'vitest';
import { openBody } from '../src/input.ts';
import { type MeterOptions, metered } from '../src/metered.ts';

/** What comes out of a metered body of three chunks, and how it ended. */
async function collect(options: Partial<MeterOptions>): Promise<{ seen: string; error?: unknown }> {
  const source = openBody(
    (async function* () {
      yield Buffer.from('a');
      yield Buffer.from('b');
      yield Buffer.from('c');
    })(),
  );
  let seen = '';
  try {
    for await (const chunk of metered(source, { key: 'k', ...options })) seen += Buffer.from(chunk);
    return { seen };
  } catch (error) {
    return { seen, error };
  }
}

test('a body that is right comes out whole', async () => {
  expect(await collect({})).toEqual({ seen: 'abc' });
  expect(await collect({ maxBytes: 3, checksum: 'md5:900150983cd24fb0d6963f7d28e17f72' })).toEqual({
    seen: 'abc',
  });
});

test('the last chunk of a wrong body never comes out, so that no store can take it for whole', async () => {
  const wrong = await collect({ checksum: 'md5:00000000000000000000000000000000' });
  expect(wrong).toMatchObject({ seen: 'ab', error: { code: 'E_STORAGE_CHECKSUM' } });
  expect(await collect({ maxBytes: 2 })).toMatchObject({ seen: 'a', error: { code: 'E_STORAGE_TOO_LARGE' } });
});
