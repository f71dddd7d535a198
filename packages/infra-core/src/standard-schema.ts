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
