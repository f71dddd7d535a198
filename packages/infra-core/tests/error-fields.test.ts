import { expect, test } from 'vitest';
import { InfraError } from '../src/index.ts';
import { errorFields } from '../src/redaction.ts';

class SampleError extends InfraError {
  constructor() {
    super('It failed.', { code: 'E_SAMPLE', help: 'Help yourself.' });
  }
}

test('an error becomes its type, message, stack and own fields', () => {
  expect(errorFields(new SampleError())).toEqual({
    type: 'SampleError',
    message: 'It failed. Help yourself.',
    stack: expect.stringContaining('SampleError: It failed.'),
    code: 'E_SAMPLE',
    retryable: false,
    help: 'Help yourself.',
  });
});

test('the causes are in the stack, and a circle of them ends', () => {
  const below = new Error('below');
  const error = new Error('above', { cause: below });
  below.cause = error;
  const { stack } = errorFields(error);
  expect(String(stack).match(/caused by: Error: (above|below)/g)).toHaveLength(4);
});

test('an AggregateError carries its errors, of many the first ones', () => {
  const many = Array.from({ length: 30 }, (_, i) => new Error(`${i}`));
  expect(errorFields(new AggregateError(many, 'all')).errors).toEqual(many.slice(0, 10));
});

test('an error without a stack still says what it is', () => {
  const error = Object.assign(new Error('bare'), { stack: undefined });
  expect(errorFields(error).stack).toBe('Error: bare');
});
