import type { onShutdown, ShutdownPhase } from '@vibeonrails/infra-core';
import { chaos, type Random } from '../../src/chaos.ts';

const PHASES: readonly ShutdownPhase[] = ['drain', 'stop', 'close', 'flush'];

/** How a hook behaves, and how it should be reported. */
const BEHAVIOURS = {
  returns: { run: () => 'done', status: 'done' },
  resolves: { run: async () => new Promise((resolve) => setImmediate(resolve)), status: 'done' },
  throws: {
    run: () => {
      throw new Error('thrown');
    },
    status: 'failed',
  },
  rejects: { run: () => Promise.reject(new Error('rejected')), status: 'failed' },
  hangs: { run: () => new Promise(() => undefined), status: 'timeout' },
  'rejects too late': {
    run: () => new Promise((_, reject) => setTimeout(() => reject(new Error('late')), 60)),
    status: 'timeout',
  },
} as const;

interface Plan {
  readonly name: string;
  readonly phase: ShutdownPhase;
  readonly how: keyof typeof BEHAVIOURS;
  /** Hooks it registers when it runs. */
  readonly adds: readonly Plan[];
}

function plan(random: Random, name: string, depth: number): Plan {
  const how = random.pick(Object.keys(BEHAVIOURS) as (keyof typeof BEHAVIOURS)[]);
  const count = depth > 0 && random.below(4) === 0 ? 1 + random.below(2) : 0;
  const adds = Array.from({ length: count }, (_, i) => plan(random, `${name}.${i}`, depth - 1));
  return { name, phase: random.pick(PHASES), how, adds };
}

function register(on: typeof onShutdown, { name, phase, how, adds }: Plan): void {
  const hook = (): unknown => {
    for (const more of adds) register(on, more);
    return BEHAVIOURS[how].run();
  };
  on(name, hook, { phase, timeout: 25 });
}

/** What must happen, told plainly: the earliest phase that has hooks, and in it the latest hook. */
function expectation(plans: readonly Plan[]): string[] {
  const waiting = [...plans];
  const order: string[] = [];
  while (waiting.length > 0) {
    const phase = PHASES.find((name) => waiting.some((hook) => hook.phase === name));
    const [next] = waiting.splice(
      waiting.findLastIndex((hook) => hook.phase === phase),
      1,
    );
    if (!next) break;
    order.push(`${next.name} ${next.phase} ${BEHAVIOURS[next.how].status}`);
    waiting.push(...next.adds);
  }
  return order;
}

export const shutdownHooks = chaos({
  case: 'a shutdown whose hooks fail, hang, reject late and register others',
  runs: 25,
  async run({ random }) {
    const { onShutdown, shutdown } = await import('@vibeonrails/infra-core');
    const plans = Array.from({ length: 1 + random.below(12) }, (_, i) => plan(random, `hook ${i}`, 2));
    for (const one of plans) register(onShutdown, one);
    const [report, again] = await Promise.all([shutdown('chaos'), shutdown('again')]);
    return {
      expected: { hooks: expectation(plans), once: true },
      seen: {
        hooks: report.hooks.map(({ name, phase, status }) => `${name} ${phase} ${status}`),
        once: again === report,
      },
    };
  },
});
