import { readdirSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { newFolder, type Outcome, run } from '@vibeonrails/smoke/commands';
import { root, SCOPE } from '@vibeonrails/smoke/packages';
import type { Registry } from '@vibeonrails/smoke/registry';
import { pnpmFolder } from '@vibeonrails/smoke/tools';

/** A change of a package, as changesets know it. */
export type Bump = 'major' | 'minor' | 'patch';

/** A clone to release from, as the release workflow does. */
export interface Clone {
  readonly folder: string;
  /** Runs a script of the root, such as `version`. */
  script(args: readonly string[], options?: { readonly mayFail?: boolean }): Promise<Outcome>;
  /** Builds, and publishes with `changeset publish`. */
  publish(...options: readonly string[]): Promise<void>;
  /** Adds a changeset. */
  change(bumps: Readonly<Record<string, Bump>>, sentence: string): Promise<void>;
  /** Commits everything. */
  commit(message: string): Promise<void>;
  git(...args: string[]): Promise<string>;
  /** A file of the clone. */
  read(path: string): string;
  version(short: string): string;
}

const AUTHOR = {
  GIT_AUTHOR_NAME: 'Rehearsal',
  GIT_AUTHOR_EMAIL: 'rehearsal@localhost',
  GIT_COMMITTER_NAME: 'Rehearsal',
  GIT_COMMITTER_EMAIL: 'rehearsal@localhost',
};

/** Clones the last commit, without its changesets, ready to publish to the registry. */
export async function cloneRepository(registry: Registry, pnpm: string): Promise<Clone> {
  const folder = join(await newFolder('rehearsal'), 'repository');
  const here = { cwd: root, env: AUTHOR };
  await run('git', ['clone', '--quiet', '--no-hardlinks', root, folder], here);
  const clone = cloned(folder, registry, pnpm);
  await clone.git('checkout', '--quiet', '-B', 'main');
  for (const file of changesetsIn(folder)) await rm(file);
  await writeFile(join(folder, '.npmrc'), registry.npmrc);
  await run('npx', ['--yes', pnpm, 'install', '--frozen-lockfile', '--config.minimum-release-age=0'], {
    cwd: folder,
  });
  return clone;
}

function changesetsIn(folder: string): string[] {
  const home = join(folder, '.changeset');
  return readdirSync(home)
    .filter((file) => file.endsWith('.md') && file !== 'README.md')
    .map((file) => join(home, file));
}

function cloned(folder: string, registry: Registry, pnpm: string): Clone {
  let changes = 0;
  const env = {
    ...AUTHOR,
    npm_config_provenance: 'false',
    CI: 'true',
    TURBO_TELEMETRY_DISABLED: '1',
    // Sources that have been built in this working tree need not be built again.
    TURBO_CACHE_DIR: join(root, '.turbo', 'cache'),
  };
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', args, { cwd: folder, env })).stdout.trim();
  const read = (path: string): string => readFileSync(join(folder, path), 'utf8');
  return {
    folder,
    git,
    read,
    script: async (args, options) =>
      await run('npx', ['--yes', pnpm, 'run', ...args], { cwd: folder, env, ...options }),
    publish: async (...options) => {
      await run('npx', ['--yes', pnpm, 'run', 'build'], { cwd: folder, env });
      const changeset = join(folder, 'tooling/release/node_modules/@changesets/cli/bin.js');
      const bin = await pnpmFolder(pnpm.replace(/^.*@/, ''), folder);
      // Not by way of a shell, which drops a variable of such a name: what changesets asks and publishes to.
      const publishing = {
        [`npm_config_${SCOPE}:registry`]: registry.url,
        PATH: bin + delimiter + process.env.PATH,
      };
      await run(process.execPath, [changeset, 'publish', ...options], {
        cwd: folder,
        env: { ...env, ...publishing },
      });
    },
    change: async (bumps, sentence) => {
      changes += 1;
      const header = Object.entries(bumps).map(([name, bump]) => `"${name}": ${bump}`);
      const text = ['---', ...header, '---', '', sentence, ''].join('\n');
      await writeFile(join(folder, '.changeset', `change-${changes}.md`), text);
    },
    commit: async (message) => {
      await git('add', '--all');
      await git('commit', '--quiet', '--message', message);
    },
    version: (short) => {
      const { version } = JSON.parse(read(`packages/${short}/package.json`)) as { version: string };
      const src = `packages/${short}/src`;
      for (const base of readdirSync(join(folder, src)).filter((entry) => entry.endsWith('.ts'))) {
        const [, said = version] = /^export const VERSION = '([^']*)'/m.exec(read(`${src}/${base}`)) ?? [];
        if (said !== version)
          throw new Error(`${src}/${base} does not say ${version}, as package.json does.`);
      }
      return version;
    },
  };
}
