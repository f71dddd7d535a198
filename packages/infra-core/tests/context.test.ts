import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { contextStorage, currentContext, runWithContext } from '../src/index.ts';

test('outside of any work the context is empty', () => {
  expect(currentContext()).toEqual({});
});

test('a context reaches everything that is awaited, and parallel work keeps its own', async () => {
  const seen = await Promise.all(
    ['a', 'b', 'c'].map((requestId) =>
      runWithContext({ requestId }, async () => {
        await turn();
        return currentContext().requestId;
      }),
    ),
  );
  expect(seen).toEqual(['a', 'b', 'c']);
  expect(currentContext()).toEqual({});
});

test('a context is laid over the current one, and ends with its work', () => {
  runWithContext({ requestId: 'r', baggage: { a: '1' } }, () => {
    const inner = runWithContext({ baggage: { b: '2' } }, currentContext);
    expect(inner).toEqual({ requestId: 'r', baggage: { b: '2' } });
    expect(currentContext()).toEqual({ requestId: 'r', baggage: { a: '1' } });
  });
});

test('what the work returns or throws is the result', () => {
  expect(runWithContext({}, () => 7)).toBe(7);
  expect(() =>
    runWithContext({}, () => {
      throw new Error('inside');
    }),
  ).toThrow('inside');
});

test('the storage itself can run work on a context that inherits nothing', () => {
  runWithContext({ requestId: 'outer' }, () => {
    expect(contextStorage().run({}, currentContext)).toEqual({});
  });
});
