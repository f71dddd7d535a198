import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  clearSlot,
  defineModule,
  type ModuleDefinition,
  type ModuleHandle,
  modulesInUse,
} from '../src/index.ts';
import { resetInfra } from '../src/testing.ts';

interface Sample {
  readonly label: string;
  ready(): Promise<void>;
  close(): Promise<void>;
}

const sample = (label: string): Sample => ({
  label,
  ready: vi.fn(async () => undefined),
  close: vi.fn(async () => undefined),
});
const define = (
  more: Partial<ModuleDefinition<Sample, { label: string }>> = {},
): ModuleHandle<Sample, { label: string }> =>
  defineModule<Sample, { label: string }>({
    module: 'sample',
    package: '@sample/sample',
    version: '1.2.3',
    contract: 1,
    create: (options) => sample(options?.label ?? 'from the environment'),
    ...more,
  });
const signal = new AbortController().signal;

beforeEach(() => clearSlot('modules'));
afterEach(() => clearSlot('modules'));

test('a module in use is listed, and has made nothing yet', () => {
  const create = vi.fn(() => sample('x'));
  define({ create });
  expect(modulesInUse()).toEqual([
    expect.objectContaining({ module: 'sample', package: '@sample/sample', version: '1.2.3', contract: 1 }),
  ]);
  expect(create).not.toHaveBeenCalled();
});

test('the default instance is made at first use, once, and shared by every copy of the package', () => {
  const handle = define();
  const other = define();
  expect(handle.instance().label).toBe('from the environment');
  expect(other.instance()).toBe(handle.instance());
  expect(modulesInUse()).toHaveLength(1);
});

test('ready() makes the default instance and awaits it; what it throws is a rejection', async () => {
  const handle = define();
  await modulesInUse()[0]?.ready();
  expect(handle.instance().ready).toHaveBeenCalledOnce();
  clearSlot('modules');
  define({
    create: () => {
      throw new Error('no driver');
    },
  });
  await expect(modulesInUse()[0]?.ready()).rejects.toThrow('no driver');
});

test('configure makes the default instance from options', () => {
  const handle = define();
  expect(handle.configure({ label: 'mine' }).label).toBe('mine');
  expect(handle.instance().label).toBe('mine');
});

test('configuring after first use is refused with a code, and changes nothing', () => {
  const handle = define();
  const first = handle.instance();
  expect(() => handle.configure({ label: 'late' })).toThrow(
    expect.objectContaining({
      code: 'E_SAMPLE_CONFIGURED',
      message: expect.stringContaining('replace: true'),
    }),
  );
  expect(handle.instance()).toBe(first);
});

test('replacing closes the former instance; its failure is logged and nobody’s problem', async () => {
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const handle = define();
  const former = handle.instance();
  vi.mocked(former.close).mockImplementation(() => {
    throw new Error('cannot close');
  });
  const made = handle.configure({ label: 'new', replace: true });
  await turn();
  expect(former.close).toHaveBeenCalledOnce();
  expect(handle.instance()).toBe(made);
  expect(String(stderr.mock.calls[0]?.[0])).toContain('cannot close');
});

test('replacing by something that cannot be made keeps the former instance open', () => {
  const handle = define({
    create: (options) => {
      if (options?.label === 'bad') throw new Error('bad options');
      return sample('good');
    },
  });
  const former = handle.instance();
  expect(() => handle.configure({ label: 'bad', replace: true })).toThrow('bad options');
  expect(handle.instance()).toBe(former);
  expect(former.close).not.toHaveBeenCalled();
});

test('a swapped instance stands in until it is put back', () => {
  const handle = define();
  const former = handle.instance();
  const putBack = handle.swap(sample('fake'));
  expect(handle.instance().label).toBe('fake');
  putBack();
  expect(handle.instance()).toBe(former);
});

test('putting back where there was no instance leaves none', () => {
  const create = vi.fn(() => sample('made later'));
  const handle = define({ create });
  handle.swap(sample('fake'))();
  expect(create).not.toHaveBeenCalled();
  expect(handle.instance().label).toBe('made later');
});

test('an instance made under another contract is refused with a code', () => {
  define({ contract: 1 }).instance();
  const newer = define({ contract: 2 });
  expect(() => newer.instance()).toThrow(
    expect.objectContaining({ code: 'E_SAMPLE_CONTRACT', message: expect.stringContaining('contract 1') }),
  );
});

test('the health check runs on the default instance; a module without one has nothing to check', async () => {
  const handle = define({ healthCheck: (instance) => ({ status: 'degraded', message: instance.label }) });
  expect(await handle.healthCheck({ signal })).toEqual({
    status: 'degraded',
    message: 'from the environment',
  });
  expect(modulesInUse()[0]).toHaveProperty('healthCheck');
  clearSlot('modules');
  expect(await define().healthCheck({ signal })).toEqual({ status: 'ok' });
  expect(modulesInUse()[0]).not.toHaveProperty('healthCheck');
});

test('resetInfra drops the instances and keeps the modules', () => {
  const handle = define();
  const first = handle.instance();
  resetInfra();
  expect(modulesInUse()).toHaveLength(1);
  expect(handle.instance()).not.toBe(first);
});
