import { environmentOf, type ServiceKind, service } from '@vibeonrails/services';

/** Servers of one run: each is started when it is first asked for, and stopped at the end. */
export interface RunServices {
  /** The variables that name them for a child process, or why one of them cannot be had. */
  environment(
    kinds: readonly ServiceKind[],
  ): Promise<{ readonly env: Record<string, string> } | { readonly missing: string }>;
  stop(): Promise<void>;
}

/** Prepares the servers of a run. Nothing is started yet. */
export function runServices(say: (line: string) => void): RunServices {
  const started = new Map<ServiceKind, Awaited<ReturnType<typeof startOne>>>();
  const of = async (kind: ServiceKind): Promise<Awaited<ReturnType<typeof startOne>>> => {
    const found = started.get(kind) ?? (await startOne(kind, say));
    started.set(kind, found);
    return found;
  };
  return {
    async environment(kinds) {
      const env: Record<string, string> = {};
      for (const kind of kinds) {
        const one = await of(kind);
        if ('missing' in one) return one;
        Object.assign(env, one.env);
      }
      return { env };
    },
    async stop() {
      for (const one of started.values()) if ('stop' in one) await one.stop();
      started.clear();
    },
  };
}

async function startOne(
  kind: ServiceKind,
  say: (line: string) => void,
): Promise<{ env: Record<string, string>; stop: () => Promise<void> } | { missing: string }> {
  const found = await service(kind);
  if (!found.available) return { missing: found.reason };
  say(`starting ${kind} (${found.from})`);
  const running = await found.start();
  return {
    env: environmentOf(running),
    stop: async () => {
      if ('stop' in running) await running.stop();
    },
  };
}
