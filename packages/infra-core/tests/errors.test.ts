import { expect, test } from 'vitest';
import { InfraError, isInfraError, messageOf } from '../src/index.ts';

class SampleError extends InfraError {
  constructor(cause?: unknown) {
    super('The sample failed.', { code: 'E_SAMPLE', retryable: true, help: 'Try again.', cause });
  }
}

test('an error says what failed and what to do, and carries its code, cause and name', () => {
  const cause = new Error('below');
  const error = new SampleError(cause);
  expect(error.message).toBe('The sample failed. Try again.');
  expect(error).toMatchObject({ code: 'E_SAMPLE', retryable: true, help: 'Try again.', name: 'SampleError' });
  expect(error.cause).toBe(cause);
  expect(error.stack).toContain('SampleError: The sample failed.');
});

test('an error is not retryable and has no cause unless told so', () => {
  const error = new InfraError('It failed.', { code: 'E_X' });
  expect(error).toMatchObject({ message: 'It failed.', retryable: false, help: undefined });
  expect('cause' in error).toBe(false);
});

test('an error of another copy of core is recognised by its brand', () => {
  const foreign = Object.assign(new Error('elsewhere'), {
    [Symbol.for('@vibeonrails/infra/error')]: true,
    code: 'E_ELSEWHERE',
  });
  expect(isInfraError(foreign)).toBe(true);
  expect(isInfraError(foreign, 'E_ELSEWHERE')).toBe(true);
  expect(isInfraError(foreign, 'E_OTHER')).toBe(false);
});

test.each([new Error('plain'), { code: 'E_X' }, null, undefined, 'text', 7])(
  '%s is no InfraError',
  (value) => {
    expect(isInfraError(value)).toBe(false);
  },
);

test.each([
  [new Error('said so'), 'said so'],
  ['thrown text', 'thrown text'],
  [undefined, 'undefined'],
  [Symbol('s'), 'Symbol(s)'],
  [new TypeError(''), 'TypeError'],
  [Object.create(null), 'something without a text form was thrown'],
])('the message of %o is %s', (thrown, message) => {
  expect(messageOf(thrown)).toBe(message);
});

test('the message of an error without one is its code and the first message underneath', () => {
  const refused = Object.assign(new AggregateError([new Error('connect ECONNREFUSED ::1:6379')], ''), {
    code: 'ECONNREFUSED',
  });
  expect(messageOf(refused)).toBe('ECONNREFUSED: connect ECONNREFUSED ::1:6379');
});
