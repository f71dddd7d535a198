import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('a process that records, collects and traces ends by itself', async () => {
  const code = `
    import { collectProcessMetrics, instrument, monitoring, registry, startSpan } from '@vibeonrails/infra-monitoring';
    collectProcessMetrics({ gc: true });
    instrument();
    monitoring.addExporter({ name: 'x', async ready() {}, exportMetrics() {}, async flush() {}, async close() {} });
    startSpan('left open');
    await registry.render();
  `;
  const flags = [
    '--import',
    'tsx',
    '--conditions',
    '@vibeonrails/infra-source',
    '--input-type=module',
    '--eval',
    code,
  ];
  const child = spawn(process.execPath, flags, {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [status] = await once(child, 'exit');
  expect(status).toBe(0);
});
