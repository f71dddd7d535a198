import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { HELP, parse } from '../src/arguments.ts';
import { choose, testedPackages } from '../src/packages.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

describe('npm test', () => {
  test('takes packages and --force', () => {
    expect(parse([])).toEqual({ help: false, force: false, packages: [] });
    expect(parse(['--force', 'infra-cache'])).toEqual({
      help: false,
      force: true,
      packages: ['infra-cache'],
    });
    expect(parse(['-h']).help).toBe(true);
    expect(HELP).toContain('--force');
  });

  test('refuses an option that is not there', () => {
    expect(() => parse(['--fast'])).toThrow(/--fast/);
  });

  test('finds every package that has tests', () => {
    const names = testedPackages(root).map(({ name }) => name);
    expect(names).toContain('@vibeonrails/infra');
    expect(names).toContain('@vibeonrails/infra-cache');
    expect(names).toContain('@vibeonrails/test');
    expect(names).not.toContain('@vibeonrails/tsconfig');
  });

  test('chooses by folder, by name with its scope and without', () => {
    const all = testedPackages(root);
    const chosen = choose(all, ['packages/infra-cache', '@vibeonrails/services', 'infra']);
    expect(chosen.map(({ name }) => name)).toEqual([
      '@vibeonrails/infra-cache',
      '@vibeonrails/services',
      '@vibeonrails/infra',
    ]);
    expect(choose(all, [])).toBe(all);
  });

  test('names what there is when asked for something else', () => {
    expect(() => choose(testedPackages(root), ['infra-cash'])).toThrow(
      /No package "infra-cash".*infra-cache/,
    );
  });
});
