import * as v from 'valibot';
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { formatIssue, int, isSchema, type SchemaInput, type SchemaOutput } from '../src/index.ts';

test.each([z.string(), v.string(), int()])('%# is a schema', (schema) => {
  expect(isSchema(schema)).toBe(true);
});

test.each([null, undefined, 'text', {}, { '~standard': {} }, () => 1])('%o is no schema', (value) => {
  expect(isSchema(value)).toBe(false);
});

test('an issue is one line with its path', async () => {
  const result = await z.object({ a: z.array(z.string()) })['~standard'].validate({ a: [1] });
  expect(result.issues?.map(formatIssue)).toEqual([expect.stringMatching(/^a\.0: /)]);
  expect(formatIssue({ message: 'is wrong', path: [{ key: 'user' }, 'name', Symbol('s')] })).toBe(
    'user.name.Symbol(s): is wrong',
  );
  expect(formatIssue({ message: 'is wrong' })).toBe('is wrong');
});

test('the types of a schema are inferred from it', () => {
  const schema = z.object({ at: z.string().transform((value) => new Date(value)) });
  expectTypeOf<SchemaInput<typeof schema>>().toEqualTypeOf<{ at: string }>();
  expectTypeOf<SchemaOutput<typeof schema>>().toEqualTypeOf<{ at: Date }>();
});
