import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import { describeWith } from '../src/vitest.ts';
import { type Child, run } from './child.ts';

async function refuses(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  return await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
  }).finally(() => socket.destroy());
}

async function addressOf(child: Child): Promise<{ port: number; dir: string }> {
  return JSON.parse((await child.line()) ?? '');
}

async function expectGone({ port, dir }: { port: number; dir: string }): Promise<void> {
  await vi.waitFor(async () => expect([await refuses(port), existsSync(dir)]).toEqual([true, false]), 5_000);
}

describeWith('redis', 'a server whose process', { own: true }, () => {
  test('is killed ends with it, and leaves no folder', async () => {
    const owner = run('fixtures/owner.ts', ['wait']);
    const address = await addressOf(owner);
    expect(await refuses(address.port)).toBe(false);
    owner.process.kill('SIGKILL');
    await expectGone(address);
  });

  test.each(['exit', 'throw', 'return'])('ends by %s ends with it', async (how) => {
    const owner = run('fixtures/owner.ts', [how]);
    const address = await addressOf(owner);
    expect((await owner.ended).code).toBe(how === 'throw' ? 1 : 0);
    await expectGone(address);
  });
});
