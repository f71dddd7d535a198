import type { Machine } from './machine.ts';
import type { Need, ServiceKind } from './needs.ts';

/** Where a service comes from. */
export type Found =
  | { readonly from: 'environment'; readonly values: Readonly<Record<string, string>> }
  | { readonly from: 'path' | 'install'; readonly programs: Readonly<Record<string, string>> }
  | { readonly from: 'docker'; readonly image: string };

/** Why there is none, and what would bring it. */
export interface Missing {
  readonly from: 'nowhere';
  readonly reason: string;
}

/** What the caller will do with the service. */
export interface ResolveOptions {
  /** It must be ours to stop, pause and configure, which one named in the environment is not. Default false. */
  readonly own?: boolean | undefined;
}

/** A service is not there, and `CI` says that it must be; or what names it in the environment is wrong. */
export class MissingServiceError extends Error {
  override readonly name: string = 'MissingServiceError';
  readonly kind: ServiceKind;
  constructor(kind: ServiceKind, reason: string) {
    super(reason);
    this.kind = kind;
  }
}

/**
 * Finds a service: in the environment › as programs on the PATH › by a docker engine › by installing Debian's
 * packages, where that is allowed without asking or somebody says yes.
 *
 * @throws MissingServiceError when the environment names one only in part, and with `CI` set when there is none.
 */
export async function resolve(
  need: Need,
  machine: Machine,
  options: ResolveOptions = {},
): Promise<Found | Missing> {
  const values = options.own ? undefined : fromEnvironment(need, machine);
  if (values !== undefined) return { from: 'environment', values };
  const programs = fromPath(need, machine);
  if (programs !== undefined) return { from: 'path', programs };
  if (need.image !== undefined && (await machine.dockerRuns())) return { from: 'docker', image: need.image };
  const failure = await tryInstall(need, machine);
  const installed = failure === undefined ? fromPath(need, machine) : undefined;
  if (installed !== undefined) return { from: 'install', programs: installed };
  const reason = reasonOf(need, machine, failure);
  if (isCi(machine.env.CI))
    throw new MissingServiceError(need.kind, `${reason} (CI is set, so this is a failure)`);
  return { from: 'nowhere', reason };
}

/** The programs that a need names, when all of them are there. */
export function fromPath(need: Need, machine: Machine): Record<string, string> | undefined {
  const programs: Record<string, string> = {};
  for (const names of need.programs) {
    const [key] = names;
    const path = names.map((name) => machine.which(name)).find((found) => found !== undefined);
    if (key === undefined || path === undefined) return undefined;
    programs[key] = path;
  }
  return programs;
}

function fromEnvironment(need: Need, machine: Machine): Record<string, string> | undefined {
  const [first] = need.variables;
  if (first === undefined || !machine.env[first]) return undefined;
  const unset = need.variables.filter((name) => !machine.env[name]);
  if (unset.length > 0) {
    throw new MissingServiceError(
      need.kind,
      `${first} is set, so set ${unset.join(' and ')} too, or neither`,
    );
  }
  const names = [...need.variables, ...(need.optional ?? [])];
  return Object.fromEntries(names.flatMap((name) => (machine.env[name] ? [[name, machine.env[name]]] : [])));
}

/** Undefined when it was installed, else why not. */
async function tryInstall(need: Need, machine: Machine): Promise<string | undefined> {
  if (!machine.mayInstall()) return 'not installed';
  const question = `services: ${need.kind} is not on this machine. Install ${need.packages.join(' ')} with apt-get?`;
  if (machine.hasTerminal() && !(await machine.confirm(question))) return 'not installed';
  try {
    await machine.install(need.packages, () => fromPath(need, machine) !== undefined);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function reasonOf(need: Need, machine: Machine, failure: string | undefined): string {
  const absent = need.programs.filter((names) => !names.some((name) => machine.which(name) !== undefined));
  const programs = absent
    .map((names) => names.filter((name) => !name.startsWith('/')).join(' or '))
    .join(', ');
  const docker = need.image === undefined ? '' : ', and no docker engine runs';
  const set = need.variables.length > 0 ? `, or set ${need.variables.join(', ')}` : '';
  const tried = failure === undefined || failure === 'not installed' ? '' : `\n${failure}`;
  const how = `apt-get install ${need.packages.join(' ')} (elsewhere: ${need.elsewhere})`;
  return `${need.kind}: no ${programs || 'program'} on the PATH${docker}; install with: ${how}${set}${tried}`;
}

const isCi = (value: string | undefined): boolean => value !== undefined && !/^(|0|false|no)$/i.test(value);
