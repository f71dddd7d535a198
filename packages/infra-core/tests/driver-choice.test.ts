import { beforeEach, expect, test, vi } from 'vitest';
import { chooseDriver, type DriverChoice } from '../src/index.ts';
import { resetInfra } from '../src/testing.ts';

const production = { NODE_ENV: 'production' };
const choice = (more: Partial<DriverChoice<'memory' | 'redis'>> = {}): DriverChoice<'memory' | 'redis'> => ({
  module: 'sample',
  embedded: 'memory',
  inProduction: 'refuse',
  help: 'Set SAMPLE_DRIVER.',
  env: {},
  ...more,
});

beforeEach(() => {
  resetInfra();
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});

test('an option wins over the variable, that over the engine’s presence, that over the embedded driver', () => {
  const present = { redis: true };
  expect(chooseDriver(choice({ option: 'memory', variable: 'redis', present }))).toBe('memory');
  expect(chooseDriver(choice({ variable: 'memory', present }))).toBe('memory');
  expect(chooseDriver(choice({ present }))).toBe('redis');
  expect(chooseDriver(choice({ present: { redis: false } }))).toBe('memory');
});

test('in production with nothing chosen, a driver that would lose work is refused with a code', () => {
  expect(() => chooseDriver(choice({ env: production }))).toThrow(
    expect.objectContaining({
      code: 'E_SAMPLE_DRIVER_REQUIRED',
      message: expect.stringContaining('Set SAMPLE_DRIVER.'),
    }),
  );
});

test('in production an embedded driver that was chosen is fine', () => {
  expect(chooseDriver(choice({ env: production, variable: 'memory' }))).toBe('memory');
});

test('in production with nothing chosen, a driver that is only slower is warned of once', () => {
  for (let i = 0; i < 3; i += 1)
    expect(chooseDriver(choice({ env: production, inProduction: 'warn' }))).toBe('memory');
  chooseDriver(choice({ env: production, inProduction: 'warn', module: 'other' }));
  const lines = vi.mocked(process.stderr.write).mock.calls.map(([line]) => JSON.parse(String(line)));
  expect(lines.map((line) => line.module)).toEqual(['sample', 'other']);
  expect(lines[0].msg).toContain('Set SAMPLE_DRIVER.');
});
