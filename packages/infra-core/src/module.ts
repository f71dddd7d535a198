import { InfraError } from './errors.ts';
import type { HealthCheck } from './health.ts';
import { logSafely } from './logger.ts';
import { slot } from './slots.ts';

/** What a module's default instance can do, whatever else it does. */
export interface ModuleInstance {
  /** Resolves when its driver is chosen, loaded and connected; rejects with a coded error when it never will be. */
  ready(): Promise<void>;
  /** Releases what it holds. Idempotent. */
  close(): Promise<void>;
}

/** A module in use, as `boot()` and the doctor see it. */
export interface ModuleDescriptor {
  /** Its short name, such as `cache`. */
  readonly module: string;
  readonly package: string;
  readonly version: string;
  /** The contract its default instance follows. Instances of another contract are refused. */
  readonly contract: number;
  /** Makes the default instance, if need be, and awaits its `ready()`. */
  ready(): Promise<void>;
  /** Checks the default instance; absent where there is nothing to check. */
  readonly healthCheck?: HealthCheck;
  /** False where an application goes on without the module's engine: its failure only degrades. @default true */
  readonly critical?: boolean;
}

/** How a module is defined. */
export interface ModuleDefinition<I extends ModuleInstance, O extends object> {
  readonly module: string;
  readonly package: string;
  readonly version: string;
  readonly contract: number;
  /** Makes an instance from options, or from the environment alone. */
  create(options?: O): I;
  /** False where an application goes on without the module's engine. @default true */
  readonly critical?: boolean;
  /** Checks an instance with a real round trip. */
  healthCheck?(instance: I, signal: AbortSignal): ReturnType<HealthCheck>;
}

/** The default instance of a module: one in the process, shared by every installed copy of the package. */
export interface ModuleHandle<I extends ModuleInstance, O extends object> {
  /** The default instance, made from the environment at first use. */
  instance(): I;
  /** Makes the default instance from `options`. @throws {@link AlreadyConfiguredError} when there is one and `replace` is not true. */
  configure(options: O & { replace?: boolean }): I;
  /** Puts `instance` in its place, for a test; the returned function puts the former back. */
  swap(instance: I): () => void;
  /** The health check of the default instance. */
  readonly healthCheck: HealthCheck;
}

/** The default instance exists already, so configuring it would change it under those who use it. */
export class AlreadyConfiguredError extends InfraError {
  constructor(module: string) {
    super(`The default ${module} is in use already and cannot be configured any more.`, {
      code: `E_${module.toUpperCase()}_CONFIGURED`,
      help: 'Configure it before its first use, or pass `replace: true`, which closes the former one.',
    });
  }
}

/** Another copy of the package made the default instance under a contract this copy does not know. */
export class ModuleContractError extends InfraError {
  constructor(module: string, expected: number, found: number) {
    super(`The default ${module} follows contract ${found}, this copy of the package needs ${expected}.`, {
      code: `E_${module.toUpperCase()}_CONTRACT`,
      help: `Two versions of @vibeonrails/infra-${module} are installed: \`npm ls @vibeonrails/infra-${module}\` shows them. Upgrade the older one.`,
    });
  }
}

interface Entry {
  readonly descriptor: ModuleDescriptor;
  instance?: { readonly contract: number; readonly value: ModuleInstance };
}

const entries = (): Map<string, Entry> => slot('modules', 1, () => new Map<string, Entry>());

/** The modules in use: those whose package has been imported, in that order. */
export function modulesInUse(): ModuleDescriptor[] {
  return [...entries().values()].map((entry) => entry.descriptor);
}

/** Drops every default instance; the modules stay in use. For tests. */
export function forgetInstances(): void {
  for (const entry of entries().values()) delete entry.instance;
}

/** Registers a module and returns the handle of its default instance. The only thing a package does on import. */
export function defineModule<I extends ModuleInstance, O extends object>(
  definition: ModuleDefinition<I, O>,
): ModuleHandle<I, O> {
  const { module, contract } = definition;
  const healthCheck: HealthCheck = async ({ signal }) =>
    definition.healthCheck ? definition.healthCheck(instance(), signal) : { status: 'ok' };
  const descriptor: ModuleDescriptor = {
    module,
    package: definition.package,
    version: definition.version,
    contract,
    ready: async () => instance().ready(),
    ...(definition.healthCheck ? { healthCheck } : {}),
    ...(definition.critical === undefined ? {} : { critical: definition.critical }),
  };
  // Looked up once: the hot calls of a module ask for its instance each time.
  const entry: Entry = entries().get(module) ?? { descriptor };
  entries().set(module, entry);
  const put = (value: I): I => {
    entry.instance = { contract, value };
    return value;
  };
  const instance = (): I => {
    const made = entry.instance;
    if (!made) return put(definition.create());
    if (made.contract !== contract) throw new ModuleContractError(module, contract, made.contract);
    return made.value as I;
  };

  return {
    instance,
    healthCheck,
    configure({ replace = false, ...options }) {
      const former = entry.instance?.value;
      if (former && !replace) throw new AlreadyConfiguredError(module);
      const made = put(definition.create(options as unknown as O));
      if (former) void retire(module, former);
      return made;
    },
    swap(replacement) {
      const former = entry.instance;
      put(replacement);
      return () => {
        if (former) entry.instance = former;
        else delete entry.instance;
      };
    },
  };
}

/** Closes an instance that was replaced; whoever configured the new one has nothing to do with its failure. */
async function retire(module: string, former: ModuleInstance): Promise<void> {
  try {
    await former.close();
  } catch (err) {
    logSafely('warn', { err, module }, 'closing the replaced instance failed');
  }
}

/** Work that is done once, at its first use. */
export interface Once<T> {
  /** Its result: of the work under way or done, else of work that starts now. */
  (): Promise<T>;
  /** The same without starting anything; `undefined` before the first use, and after a failure. */
  done(): Promise<T> | undefined;
  /** Calls `fn` with the result: those who wait for it in the order they came, and once it is there without a wait. */
  use<R>(fn: (result: T) => Promise<R>): Promise<R>;
}

/**
 * Does `work` at the first call, once however many call meanwhile. A failure is every waiting caller's, and the next
 * call tries again. For what a module loads or opens when it is first used.
 *
 * ```ts
 * const open = once(async () => (await import('./engine.ts')).openEngine(settings));
 * const send = (message: Message) => open.use((engine) => engine.send(message));
 * ```
 */
export function once<T>(work: () => Promise<T>): Once<T> {
  let done: Promise<T> | undefined;
  let result: { readonly value: T } | undefined;
  let waiting = 0;
  const start = async (): Promise<T> => {
    try {
      const value = await work();
      result = { value };
      return value;
    } catch (thrown) {
      done = undefined;
      throw thrown;
    }
  };
  const run = (): Promise<T> => {
    done ??= start();
    return done;
  };
  return Object.assign(run, {
    done: () => done,
    use<R>(fn: (result: T) => Promise<R>): Promise<R> {
      // Nobody overtakes those who came while there was nothing yet.
      if (result && waiting === 0) return fn(result.value);
      waiting += 1;
      return run().then(
        (value) => {
          waiting -= 1;
          return fn(value);
        },
        (thrown: unknown) => {
          waiting -= 1;
          throw thrown;
        },
      );
    },
  });
}
