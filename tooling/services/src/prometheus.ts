import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newFolder, removeFolder } from './folders.ts';
import { freePort, withFreshPorts } from './ports.ts';
import type { Found } from './resolve.ts';
import { extend, type ServerControl, startServer } from './server.ts';

/** One series as Prometheus stored it. */
export interface PrometheusSample {
  /** `__name__` among them. */
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What Prometheus says of a target it scrapes. */
export interface PrometheusTarget {
  readonly health: 'up' | 'down' | 'unknown';
  /** Why the last scrape failed; empty when it did not. */
  readonly lastError: string;
}

/** A Prometheus that answers, and its `promtool`. */
export interface RunningPrometheus extends ServerControl {
  readonly url: string;
  readonly port: number;
  /** Scrapes this address every half second from now on, in place of any earlier one. */
  scrape(target: string, options?: { readonly token?: string }): Promise<void>;
  /** What it says of the target. */
  target(): Promise<PrometheusTarget | undefined>;
  /** The newest value of each series that a PromQL expression selects. */
  query(expression: string): Promise<PrometheusSample[]>;
  /** Answers a path of its HTTP API with the `data` of its JSON. */
  api(path: string): Promise<unknown>;
  /** Gives a scrape to `promtool check metrics`: its exit code, and what it says. */
  check(scrape: string): Promise<{ readonly code: number; readonly output: string }>;
}

/**
 * Starts a Prometheus on a free port of 127.0.0.1 that scrapes nothing yet.
 *
 * @throws an Error with the end of its log when it does not come up.
 */
export async function startPrometheus(found: Found): Promise<RunningPrometheus> {
  const programs = 'programs' in found ? found.programs : {};
  return await withFreshPorts(async () => await launch(programs));
}

async function launch(programs: Readonly<Record<string, string>>): Promise<RunningPrometheus> {
  const dir = await newFolder('prometheus');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = join(dir, 'prometheus.yml');
  await writeFile(config, configOf());
  const control = await startServer({
    launch: () => ({
      name: 'prometheus',
      file: programs.prometheus ?? 'prometheus',
      args: [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(dir, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--web.enable-lifecycle',
        '--enable-feature=exemplar-storage',
        '--log.level=warn',
      ],
      dir,
    }),
    isReady: async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok ?? false,
    timeout: 60_000,
    cleanup: async () => await removeFolder(dir),
  }).catch(async (error: unknown) => {
    await removeFolder(dir);
    throw error;
  });
  const api = async (path: string): Promise<unknown> => {
    const response = await fetch(`${url}/api/v1/${path}`);
    const body = (await response.json()) as { status: string; data: unknown; error?: string };
    if (body.status !== 'success') throw new Error(`Prometheus refuses ${path}: ${body.error}`);
    return body.data;
  };
  return extend(control, {
    url,
    port,
    api,
    async scrape(target: string, { token }: { readonly token?: string } = {}) {
      await writeFile(config, configOf(new URL(target), token));
      const response = await fetch(`${url}/-/reload`, { method: 'POST' });
      if (!response.ok)
        throw new Error(`Prometheus does not take its configuration: ${await response.text()}`);
    },
    async target() {
      const { activeTargets } = (await api('targets?state=active')) as { activeTargets: PrometheusTarget[] };
      return activeTargets[0];
    },
    async query(expression: string) {
      const { result } = (await api(`query?query=${encodeURIComponent(expression)}`)) as {
        result: { metric: Record<string, string>; value: [number, string] }[];
      };
      return result.map(({ metric, value }) => ({
        metric,
        value: Number(value[1].replace('Inf', 'Infinity')),
      }));
    },
    check: async (scrape: string) => await checkMetrics(programs.promtool ?? 'promtool', scrape),
  });
}

function configOf(target?: URL, token?: string): string {
  const job = target && {
    job_name: 'test',
    scrape_interval: '500ms',
    scrape_timeout: '500ms',
    scheme: target.protocol.slice(0, -1),
    metrics_path: target.pathname,
    ...(token === undefined ? {} : { authorization: { credentials: token } }),
    static_configs: [{ targets: [target.host] }],
  };
  // YAML reads JSON.
  return JSON.stringify({ scrape_configs: job ? [job] : [] });
}

async function checkMetrics(promtool: string, scrape: string): Promise<{ code: number; output: string }> {
  const child = spawn(promtool, ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  // One that gives up early closes its input, which is no failure of ours.
  child.stdin.on('error', () => undefined).end(scrape);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? -1, output };
}
