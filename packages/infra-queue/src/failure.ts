import { isInfraError } from '@vibeonrails/infra-core';
import type { Failure } from './driver.ts';

const STACK_LINES = 20;
const MESSAGE_CHARS = 4000;

/**
 * What was thrown, as an error whose name, message and stack are texts. Code may throw anything: an object without a
 * prototype, one whose `toString` throws, an error whose `message` is an object or a getter that throws.
 */
export function toError(thrown: unknown): Error {
  if (!(thrown instanceof Error))
    return new Error(textOf(thrown) ?? 'something without a text form was thrown');
  const fields = FIELDS.map((field) => [field, fieldOf(thrown, field)] as const);
  if (
    fields.every(([field, value]) => typeof value === 'string' || (field === 'stack' && value === undefined))
  )
    return thrown;
  const error = new Error(undefined, { cause: thrown });
  for (const [field, value] of fields) {
    const text = textOf(value);
    if (text !== undefined)
      Object.defineProperty(error, field, { value: text, configurable: true, writable: true });
  }
  return error;
}

const FIELDS = ['name', 'message', 'stack'] as const;

function fieldOf(error: Error, field: (typeof FIELDS)[number]): unknown {
  try {
    return error[field];
  } catch {
    return null;
  }
}

function textOf(value: unknown): string | undefined {
  try {
    return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
  } catch {
    return undefined;
  }
}

/** An error as it is kept with a job: bounded, and plain data. */
export function failureOf(thrown: Error): Failure {
  const error = toError(thrown);
  const { issues } = error as { issues?: Failure['issues'] };
  return {
    name: error.name,
    message: error.message.slice(0, MESSAGE_CHARS),
    ...(isInfraError(error) ? { code: error.code } : {}),
    ...(error.stack
      ? {
          stack: error.stack
            .split('\n')
            .slice(0, STACK_LINES)
            .join('\n')
            .slice(0, 2 * MESSAGE_CHARS),
        }
      : {}),
    ...(isInfraError(error, 'E_QUEUE_PAYLOAD') && issues ? { issues } : {}),
  };
}
