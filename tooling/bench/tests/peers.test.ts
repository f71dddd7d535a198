import { expect, test } from 'vitest';
import { pinnedVersions } from '../src/peers.ts';

test('peers are pinned to one version', () => {
  expect(pinnedVersions(['pino'])).toEqual({ pino: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
});

test('a package that is not pinned is refused with the place to pin it', () => {
  expect(() => pinnedVersions(['ghost'])).toThrow('ghost is not in tooling/bench/peers/package.json');
});
