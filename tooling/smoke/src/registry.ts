import { createWriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '@vibeonrails/services';
import { newFolder, removeFolder, run, start, stop } from './commands.ts';
import { SCOPE } from './packages.ts';
import { toolFile } from './tools.ts';

/** A registry on 127.0.0.1 that holds this repository's packages and nothing else. */
export interface Registry {
  readonly url: string;
  /** Lines for an .npmrc: our scope comes from here, with leave to publish; all else from the machine's own registry. */
  readonly npmrc: string;
  /** Publishes a packed package under a dist-tag, `latest` by default. */
  publish(tarball: string, tag?: string): Promise<void>;
  /** A packument: versions, dist-tags. */
  view(name: string): Promise<Packument>;
  stop(): Promise<void>;
}

/** What a registry says of a package. */
export interface Packument {
  readonly 'dist-tags': Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, unknown>>;
}

const configuration = (folder: string): string => `
storage: ${JSON.stringify(join(folder, 'storage'))}
auth:
  htpasswd: { file: ${JSON.stringify(join(folder, 'htpasswd'))}, max_users: -1 }
uplinks: {}
packages:
  '${SCOPE}/*': { access: $all, publish: $all, unpublish: $all }
web: { enable: false }
log: { type: stdout, format: pretty, level: warn }
`;

/** Starts an empty registry on a free port. */
export async function startRegistry(): Promise<Registry> {
  const folder = await newFolder('registry');
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const url = `http://${host}/`;
  await writeFile(join(folder, 'config.yaml'), configuration(folder));
  const args = [toolFile('verdaccio', 'bin/verdaccio'), '--config', 'config.yaml', '--listen', host];
  const child = start(process.execPath, args, { cwd: folder });
  const log = join(folder, 'log');
  const file = createWriteStream(log);
  for (const stream of [child.stdout, child.stderr]) stream?.pipe(file, { end: false });
  child.once('close', () => file.end());
  await answers(url, async () => {
    if (child.exitCode === null) return;
    throw new Error(`The registry ended with ${child.exitCode}:\n${await readFile(log, 'utf8')}`);
  });
  // The token means nothing to this registry; npm wants one before it publishes.
  const npmrc = `${SCOPE}:registry=${url}\n//${host}/:_authToken=loopback\n`;
  const home = join(folder, 'publish');
  await mkdir(home);
  await writeFile(join(home, '.npmrc'), npmrc);
  return {
    url,
    npmrc,
    publish: async (tarball, tag = 'latest') => {
      await run('npm', ['publish', tarball, '--tag', tag, '--loglevel=error'], {
        cwd: home,
        env: { npm_config_provenance: 'false' },
      });
    },
    view: async (name) => (await (await fetch(url + name.replace('/', '%2f'))).json()) as Packument,
    stop: async () => {
      stop(child);
      await removeFolder(folder);
    },
  };
}

async function answers(url: string, check: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    await check();
    const response = await fetch(`${url}-/ping`).catch(() => undefined);
    if (response?.ok) return;
    await wait(100);
  }
  throw new Error(`The registry at ${url} did not answer within a minute.`);
}
