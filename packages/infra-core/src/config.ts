import { InfraError } from './errors.ts';
import { slot } from './slots.ts';
import { isReader, parseText, type Schema, type SchemaOutput } from './standard-schema.ts';

/** One thing that is wrong with the environment. It never holds the value. */
export interface ConfigProblem {
  readonly variable: string;
  /** The package that declares the variable. */
  readonly package: string;
  readonly kind: 'missing' | 'invalid';
  /** The expected form. */
  readonly expected: string;
  /** The variable that holds the text, where that is a fallback. */
  readonly from?: string;
}

/** Everything that is wrong with the environment, at once. */
export class ConfigError extends InfraError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = linesOf(problems);
    const count = lines.length === 1 ? 'one problem' : `${lines.length} problems`;
    super(`The configuration has ${count}:\n${lines.join('\n')}\n`, {
      code: 'E_CONFIG',
      help: 'Correct the environment variables above and start again.',
    });
    this.problems = problems;
  }
}

/** One line a variable: packages that share one expect the same of it. */
function linesOf(problems: readonly ConfigProblem[]): string[] {
  const owners = new Map<string, string[]>();
  for (const { variable, package: owner, kind, expected, from } of problems) {
    const wrong = kind === 'missing' ? 'not set' : 'not valid';
    const rest = `is ${wrong}${from ? ` in ${from}` : ''}: expected ${expected}.`;
    const key = `${variable}\n${rest}`;
    owners.set(key, [...(owners.get(key) ?? []), owner]);
  }
  return [...owners].map(([key, packages]) => {
    const [variable, rest] = key.split('\n');
    return `  ${variable} (${packages.join(', ')}) ${rest}`;
  });
}

/** Where variables are read from: `process.env`, or a plain object in a test. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Variable names, and what each must hold: a reader of this package, or any Standard Schema over text. */
export type ConfigShape = Readonly<Record<string, Schema>>;

/** The values of a {@link ConfigShape}. */
export type ConfigValues<S extends ConfigShape> = { readonly [K in keyof S]: SchemaOutput<S[K]> };

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
  describe(env: Env): VariableDescription[];
  problems(env: Env): readonly ConfigProblem[];
}

/** Every configuration declared in the process. The same declared again, by another copy or a reload, takes its place. */
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
  const variables = Object.entries(shape).map(([name, schema]): Variable => {
    const hidden = secrets.has(name) || (isReader(schema) && schema.options.secret === true);
    return { name, schema, owner, hidden };
  });
  const readAll = (env: Env): { values: ConfigValues<S>; problems: ConfigProblem[] } => {
    const problems: ConfigProblem[] = [];
    const entries = variables.map((variable) => [variable.name, readOne(variable, env, problems)]);
    const values = Object.freeze(Object.fromEntries(entries)) as ConfigValues<S>;
    if (problems.length === 0)
      options.check?.(values, (variable, expected, kind = 'invalid') =>
        problems.push({ variable, package: owner, kind, expected }),
      );
    return { values, problems };
  };
  declared().set([owner, ...Object.keys(shape)].join(' '), {
    describe: (env) => variables.map((variable) => describeOne(variable, env)),
    problems: (env) => readAll(options.env ?? env).problems,
  });

  return {
    read(env = options.env ?? process.env) {
      const { values, problems } = readAll(env);
      if (problems.length > 0) throw new ConfigError(problems);
      return values;
    },
  };
}

/** Every variable that the packages in use, and the application, have declared: name, form, default, whether it is set. */
export function describeConfig(env: Env = process.env): VariableDescription[] {
  const all = [...declared().values()].flatMap((entry) => entry.describe(env));
  const latest = new Map(all.map((entry) => [`${entry.package} ${entry.variable}`, entry]));
  return [...latest.values()].sort(
    (a, b) => a.package.localeCompare(b.package) || a.variable.localeCompare(b.variable),
  );
}

/**
 * Reads every configuration declared so far, so that one start shows what is wrong with all of them.
 *
 * @throws {@link ConfigError} `E_CONFIG` naming every problem of every package at once.
 */
export function checkConfig(env: Env = process.env): void {
  const problems = [...declared().values()].flatMap((entry) => entry.problems(env));
  if (problems.length > 0) throw new ConfigError(problems);
}

interface Variable {
  readonly name: string;
  readonly schema: Schema;
  readonly owner: string;
  /** True when neither its value nor its default may be shown. */
  readonly hidden: boolean;
}

/** The text of a variable, or of the first fallback that is set. */
function lookUp({ name, schema }: Variable, env: Env): { text?: string; from?: string } {
  const { fallback = [] } = isReader(schema) ? schema.options : {};
  for (const candidate of [name].concat(fallback)) {
    const text = env[candidate]?.trim();
    if (text) return candidate === name ? { text } : { text, from: candidate };
  }
  return {};
}

function readOne(variable: Variable, env: Env, problems: ConfigProblem[]): unknown {
  const { text, ...from } = lookUp(variable, env);
  const outcome = parseText(variable.schema, text, variable.hidden);
  if ('value' in outcome) return outcome.value;
  const kind = text === undefined ? 'missing' : 'invalid';
  problems.push({ variable: variable.name, package: variable.owner, kind, ...outcome, ...from });
  return undefined;
}

function describeOne(variable: Variable, env: Env): VariableDescription {
  const { name, schema, owner, hidden } = variable;
  const { text, ...from } = lookUp(variable, env);
  const options = isReader(schema) ? schema.options : {};
  const absent = parseText(schema, undefined, hidden);
  const fallback = options.default ?? ('value' in absent ? absent.value : undefined);
  return {
    variable: name,
    package: owner,
    form: isReader(schema) ? schema.form : `${schema['~standard'].vendor} schema`,
    required: !('value' in absent),
    ...(fallback === undefined || hidden ? {} : { default: show(fallback) }),
    secret: hidden,
    ...(options.description === undefined ? {} : { description: options.description }),
    set: text !== undefined,
    ...from,
  };
}

function show(value: unknown): string {
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
  return plain ? JSON.stringify(value) : String(value);
}
