import { InfraError } from './errors.ts';
import type { Reader } from './readers.ts';
import { slot } from './slots.ts';
import type { Schema, SchemaOutput, SchemaResult } from './standard-schema.ts';

/** Where variables are read from: `process.env`, or a plain object in a test. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Variable names, and what each must hold: a reader of this package, or any Standard Schema over text. */
export type ConfigShape = Readonly<Record<string, Schema>>;

/** The values of a {@link ConfigShape}. */
export type ConfigValues<S extends ConfigShape> = { readonly [K in keyof S]: SchemaOutput<S[K]> };

/** One thing that is wrong with the environment. It never holds the value. */
export interface ConfigProblem {
  readonly variable: string;
  /** The package that declares the variable. */
  readonly package: string;
  readonly kind: 'missing' | 'invalid';
  /** The expected form. */
  readonly expected: string;
}

/** One declared variable, as {@link describeConfig} shows it. It never holds the value. */
export interface VariableDescription {
  readonly variable: string;
  readonly package: string;
  readonly form: string;
  readonly required: boolean;
  /** The default as text; absent when there is none or it is secret. */
  readonly default?: string;
  readonly secret: boolean;
  readonly description?: string;
  /** True when the environment holds it. */
  readonly set: boolean;
  /** The variable the value comes from, where that is a fallback. */
  readonly from?: string;
}

/** Everything that is wrong with the environment, at once. */
export class ConfigError extends InfraError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(
      ({ variable, package: owner, kind, expected }) =>
        `  ${variable} (${owner}) is ${kind === 'missing' ? 'not set' : 'not valid'}: expected ${expected}.`,
    );
    const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
    super(`The configuration has ${count}:\n${lines.join('\n')}\n`, {
      code: 'E_CONFIG',
      help: 'Correct the environment variables above and start again.',
    });
    this.problems = problems;
  }
}

/** Adds a problem of {@link ConfigOptions.check}: the variable, and what was expected of it. */
export type ReportProblem = (variable: string, expected: string, kind?: ConfigProblem['kind']) => void;

/** How a configuration is declared. */
export interface ConfigOptions<S extends ConfigShape> {
  /** The package that declares it. @default 'application' */
  package?: string;
  /** Variables with a third-party schema whose values and defaults must never be shown. */
  secrets?: readonly (keyof S & string)[];
  /** Where to read from. @default process.env, looked up at each read */
  env?: Env;
  /** Rules over several variables: call `report` for each that is broken. Runs when every single value is right. */
  check?: (values: ConfigValues<S>, report: ReportProblem) => void;
}

/** A declared configuration. Nothing is read until {@link Config.read}. */
export interface Config<S extends ConfigShape> {
  /**
   * The values, frozen. An empty or blank text counts as not set.
   *
   * @throws {@link ConfigError} `E_CONFIG` naming every problem at once, never a value.
   */
  read(env?: Env): ConfigValues<S>;
}

interface Declared {
  readonly package: string;
  readonly describe: (env: Env) => VariableDescription;
}

/** Every declared variable in the process, by package and name. */
const declared = (): Map<string, Declared> => slot('config', 1, () => new Map<string, Declared>());

/**
 * Declares environment variables once: what each must hold, and which package wants it.
 *
 * ```ts
 * const config = defineConfig({ PORT: int({ default: 3000 }), DATABASE_URL: url() });
 * const { PORT, DATABASE_URL } = config.read();
 * ```
 */
export function defineConfig<const S extends ConfigShape>(
  shape: S,
  options: ConfigOptions<S> = {},
): Config<S> {
  const owner = options.package ?? 'application';
  const secrets = new Set<string>(options.secrets);
  for (const [variable, schema] of Object.entries(shape))
    declared().set(`${owner} ${variable}`, {
      package: owner,
      describe: (env) => describeVariable(variable, schema, owner, secrets.has(variable), env),
    });

  return {
    read(env = options.env ?? process.env) {
      const problems: ConfigProblem[] = [];
      const values: Record<string, unknown> = {};
      for (const [variable, schema] of Object.entries(shape)) {
        const { text } = lookUp(variable, schema, env);
        const outcome = parse(schema, text, secrets.has(variable));
        if ('value' in outcome) values[variable] = outcome.value;
        else
          problems.push({
            variable,
            package: owner,
            kind: text === undefined ? 'missing' : 'invalid',
            expected: outcome.expected,
          });
      }
      const result = Object.freeze(values) as ConfigValues<S>;
      if (problems.length === 0)
        options.check?.(result, (variable, expected, kind = 'invalid') =>
          problems.push({ variable, package: owner, kind, expected }),
        );
      if (problems.length > 0) throw new ConfigError(problems);
      return result;
    },
  };
}

/** Every variable that the packages in use, and the application, have declared: name, form, default, whether it is set. */
export function describeConfig(env: Env = process.env): VariableDescription[] {
  return [...declared().values()]
    .map((entry) => entry.describe(env))
    .sort((a, b) => a.package.localeCompare(b.package) || a.variable.localeCompare(b.variable));
}

const isReader = (schema: Schema): schema is Reader<unknown> => 'form' in schema && 'options' in schema;

/** The text of a variable, or of the first fallback that is set. */
function lookUp(variable: string, schema: Schema, env: Env): { text: string | undefined; from: string } {
  const fallback = isReader(schema) ? (schema.options.fallback ?? []) : [];
  for (const name of [variable, ...(typeof fallback === 'string' ? [fallback] : fallback)]) {
    const text = env[name]?.trim();
    if (text) return { text, from: name };
  }
  return { text: undefined, from: variable };
}

function parse(
  schema: Schema,
  text: string | undefined,
  isSecret: boolean,
): { value: unknown } | { expected: string } {
  const standard = schema['~standard'];
  const generic = isReader(schema) ? schema.form : `what its ${standard.vendor} schema accepts`;
  let result: SchemaResult<unknown> | Promise<SchemaResult<unknown>>;
  try {
    result = standard.validate(text);
  } catch {
    return { expected: generic };
  }
  if (result instanceof Promise || 'then' in result) {
    Promise.resolve(result).catch(() => undefined);
    return { expected: 'a schema that validates without waiting; this one is asynchronous' };
  }
  if (!result.issues) return { value: result.value };
  if (isReader(schema)) return { expected: schema.form };
  // A schema's own words may quote the value, so they are shown only when they do not.
  const words = result.issues.map((issue) => issue.message).join('; ');
  const quotes = isSecret || (text !== undefined && words.includes(text));
  return { expected: quotes ? generic : `${generic} (${words})` };
}

function describeVariable(
  variable: string,
  schema: Schema,
  owner: string,
  isSecret: boolean,
  env: Env,
): VariableDescription {
  const { text, from } = lookUp(variable, schema, env);
  const options = isReader(schema) ? schema.options : {};
  const hidden = isSecret || options.secret === true;
  return {
    variable,
    package: owner,
    form: isReader(schema) ? schema.form : `${schema['~standard'].vendor} schema`,
    required: !('value' in parse(schema, undefined, true)),
    ...(options.default === undefined || hidden ? {} : { default: String(options.default) }),
    secret: hidden,
    ...(options.description === undefined ? {} : { description: options.description }),
    set: text !== undefined,
    ...(text !== undefined && from !== variable ? { from } : {}),
  };
}
