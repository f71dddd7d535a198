import { benchmark } from '../../src/benchmark.ts';
import { perCpuSecond } from '../../src/cpu.ts';

const values = new Map([['user:1', 'x']]);
/** As small as work gets that is worth tracing: what tracing costs shows most beside it. */
const work = async (key: string): Promise<string | undefined> => values.get(key);

export const telemetry = benchmark({
  case: 'an awaited call, traced without subscribers',
  unit: 'calls/CPU s',
  async ours() {
    const { operation } = await import('@vibeonrails/infra-core');
    const get = operation('cache.get');
    return perCpuSecond(async (times) => {
      for (let i = 0; i < times; i += 1)
        await get.trace(() => work('user:1'), { key: 'user:1', driver: 'memory' });
    });
  },
  peers: {
    'the same wrapper without a channel': () => {
      const trace = (fn: () => Promise<unknown>, _payload: object): Promise<unknown> => fn();
      return perCpuSecond(async (times) => {
        for (let i = 0; i < times; i += 1)
          await trace(() => work('user:1'), { key: 'user:1', driver: 'memory' });
      });
    },
    'the bare call': () =>
      perCpuSecond(async (times) => {
        for (let i = 0; i < times; i += 1) await work('user:1');
      }),
  },
  // The channel is to cost nothing; closure and payload cost some 15 ns, which show beside work this small.
  targets: [
    { baseline: 'the same wrapper without a channel', atLeast: 0.95 },
    { baseline: 'the bare call', atLeast: 0.7 },
  ],
});
