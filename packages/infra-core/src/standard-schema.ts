import type { Reader } from './readers.ts';

/** One thing a schema found wrong. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** What a schema answers: a value, or what is wrong. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/**
 * Any schema that follows the Standard Schema interface, version 1 (https://standardschema.dev): zod, valibot,
 * arktype and others. Only its structure is named here, so that no schema library is needed.
 */
export interface Schema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema accepts. */
export type SchemaInput<S extends Schema> = NonNullable<S['~standard']['types']>['input'];
/** What a schema returns. */
export type SchemaOutput<S extends Schema> = NonNullable<S['~standard']['types']>['output'];

/** True for an object that follows the Standard Schema interface. */
export function isSchema(value: unknown): value is Schema {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false;
  const standard = (value as Partial<Schema>)['~standard'];
  return typeof standard?.validate === 'function';
}

/** An issue as one line of text: `address.city: must be a string`. */
export function formatIssue(issue: SchemaIssue): string {
  const path = (issue.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
  return path ? `${path}: ${issue.message}` : issue.message;
}

/** What a schema makes of a text, or what it expects in its place, in words that never hold the text. */
export type Outcome = { readonly value: unknown } | { readonly expected: string };

/** True for a schema made by this package's readers. */
export const isReader = (schema: Schema): schema is Reader<unknown> =>
  'form' in schema && 'options' in schema;

/** The expected form of a schema, in general terms. */
const formOf = (schema: Schema): string =>
  isReader(schema) ? schema.form : `what its ${schema['~standard'].vendor} schema accepts`;

/** Validates `text`. A schema that throws or is asynchronous is an outcome too. */
export function parseText(schema: Schema, text: string | undefined, isSecret: boolean): Outcome {
  const expected = formOf(schema);
  let result: SchemaResult<unknown> | Promise<SchemaResult<unknown>>;
  try {
    result = schema['~standard'].validate(text);
  } catch {
    return { expected };
  }
  if ('then' in result) {
    // Its rejection is nobody's: the answer does not wait for it.
    Promise.resolve(result).catch(() => undefined);
    return { expected: 'a schema that answers at once; this one is asynchronous, or throws' };
  }
  if (!result.issues) return { value: result.value };
  if (isReader(schema) || isSecret) return { expected };
  const words = result.issues.map(formatIssue).join('; ');
  const safe = text === undefined ? words : withoutText(words, text);
  return { expected: safe ? `${expected} (${safe})` : expected };
}

/** Long enough that a piece of a value of this length is worth hiding, short enough to find every piece. */
const PIECE = 4;

/**
 * A schema's own words, with the text they quote cut out; `undefined` where a piece of the text remains, in another
 * form or in part.
 */
function withoutText(words: string, text: string): string | undefined {
  const quoted = JSON.stringify(text);
  const cut = [quoted, quoted.slice(1, -1), text].reduce(
    (left, form) => left.replace(whole(form), '…'),
    words,
  );
  const rest = bare(cut);
  const secret = bare(text);
  for (let i = 0; i + PIECE <= secret.length; i += 1)
    if (rest.includes(secret.slice(i, i + PIECE))) return undefined;
  return cut;
}

/** Finds `form` where it is not a part of a longer word: the "8" of "at least 80" gives nothing away. */
function whole(form: string): RegExp {
  const escaped = form.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  const edge = (character: string | undefined, look: string): string =>
    /\w/.test(character ?? '') ? look : '';
  return new RegExp(`${edge(form[0], '(?<!\\w)')}${escaped}${edge(form.at(-1), '(?!\\w)')}`, 'g');
}

const bare = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
