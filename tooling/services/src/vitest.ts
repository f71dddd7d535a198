import { afterAll, beforeAll, describe } from 'vitest';
import type { ServiceKind } from './needs.ts';
import type { ResolveOptions } from './resolve.ts';
import { type Services, service } from './service.ts';

/** How the suite's server is set up; any option but `own: false` makes it a server of the suite's own. */
export type DescribeOptions<Kind extends ServiceKind> = Services[Kind]['options'] & ResolveOptions;

/** Registers the tests of a suite. `server()` is there once they run. */
export type Suite<Kind extends ServiceKind> = (server: () => Services[Kind]['running']) => void;

/**
 * A vitest suite with a server that starts before its tests and stops after them. Without one on this machine, its
 * tests are skipped under a title that says what to install, or, with `CI` set, fail.
 *
 * @example describeWith('redis', 'the lease', (redis) => { test('…', async () => { connect(redis().url) }) })
 */
export function describeWith<Kind extends ServiceKind>(kind: Kind, name: string, suite: Suite<Kind>): void;
export function describeWith<Kind extends ServiceKind>(
  kind: Kind,
  name: string,
  options: DescribeOptions<Kind>,
  suite: Suite<Kind>,
): void;
export function describeWith<Kind extends ServiceKind>(
  kind: Kind,
  name: string,
  ...rest: [Suite<Kind>] | [DescribeOptions<Kind>, Suite<Kind>]
): void {
  const [options, suite] = rest.length === 1 ? [undefined, rest[0]] : rest;
  const { own, ...startOptions } = options ?? {};
  const setUp = Object.keys(startOptions).length > 0;
  // Finding comes while tests are collected, where nothing limits the time that an installation takes.
  describe(name, async () => {
    const found = await service(kind, { own: own ?? setUp });
    let running: Services[Kind]['running'] | undefined;
    const server = () => {
      if (running === undefined)
        throw new Error(`The ${kind} server runs only while the tests of "${name}" do`);
      return running;
    };
    if (!found.available) {
      describe.skip(`skipped: ${found.reason}`, () => suite(server));
      return;
    }
    beforeAll(async () => {
      running = await found.start(setUp ? (startOptions as Services[Kind]['options']) : undefined);
    }, 120_000);
    afterAll(async () => {
      await running?.stop();
    });
    suite(server);
  });
}
