import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { freePort, withFreshPorts } from '../src/ports.ts';

test('a port is free, and below the ports of outgoing connections', async () => {
  const port = await freePort();
  expect(port).toBeGreaterThanOrEqual(10_000);
  expect(port).toBeLessThan(32_768);
  const server = createServer();
  onTestFinished(() => {
    server.close();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  await expect(freePort({ from: port, below: port + 1 })).rejects.toThrow('No free port');
});

test('a start whose port was taken meanwhile is tried again, three times in all', async () => {
  const tries: number[] = [];
  const start = async (): Promise<string> => {
    tries.push(tries.length);
    if (tries.length < 3) throw new Error('bind: Address already in use');
    return 'up';
  };
  expect(await withFreshPorts(start)).toBe('up');
  tries.push(-1);
  const never = async (): Promise<void> => {
    tries.push(tries.length);
    throw new Error('bind: Address already in use');
  };
  await expect(withFreshPorts(never)).rejects.toThrow('already in use');
  expect(tries).toEqual([0, 1, 2, -1, 4, 5, 6]);
});

test('any other failure to start is final', async () => {
  let tries = 0;
  const start = async (): Promise<void> => {
    tries += 1;
    throw new Error('out of memory');
  };
  await expect(withFreshPorts(start)).rejects.toThrow('out of memory');
  expect(tries).toBe(1);
});
