import { shutdown } from '@vibeonrails/infra-core';
import { fakeClock, resetInfra } from '@vibeonrails/infra-core/testing';
import { freePort } from '@vibeonrails/services';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createRealtimeServer } from '../src/index.ts';
import { rawPeer } from '../src/raw-peer.ts';
import { connected, eventually, onEverything, Peer, serve } from './peers.ts';
import { make } from './recorder.ts';

onEverything(() => {
  describe('the end', () => {
    test('drain lets nobody in, and sends everyone away with a time to come back', async () => {
      const authenticate = vi.fn(() => ({}));
      const { server, hub, url } = await serve({ authenticate });
      const peers = await Promise.all([connected(url), connected(url)]);
      expect(await server.drain({ spread: '2s' })).toEqual({ drained: 2 });
      for (const peer of peers) {
        expect(await peer.ended()).toBe(4200);
        expect(peer.frames.at(-1)).toEqual({
          bye: { code: 4200, reconnect: true, after: expect.any(Number) },
        });
      }
      expect(await new Peer(url).ended()).toBe(503);
      expect(authenticate).toHaveBeenCalledTimes(2);
      expect(server.stats()).toMatchObject({ connections: 0, refused: { draining: 1 } });
      expect(hub.stats().clients).toBe(0);
    });

    test('who was being authenticated when a drain began is not let in', async () => {
      let finish = (_: object): void => undefined;
      const asked = vi.fn(
        () =>
          new Promise<object>((resolve) => {
            finish = resolve;
          }),
      );
      const { server, url } = await serve({ authenticate: asked as never, limits: { perIp: 1 } });
      const peer = new Peer(url);
      await eventually(() => expect(asked).toHaveBeenCalled());
      await server.drain();
      finish({});
      expect(await peer.ended()).toBe(503);
      expect(server.stats()).toMatchObject({ accepted: 0, refused: { draining: 1 } });
    });

    test('a client that does not answer its goodbye holds a drain up for two seconds, not longer', async () => {
      const clock = fakeClock();
      const { server, port } = await serve({ clock, engine: 'ws' }); // The other engine does not wait.
      const silent = await rawPeer(port, '/realtime');
      silent.socket.pause();
      let done = false;
      const drained = server.drain().then(() => {
        done = true;
      });
      await clock.advance('1999ms');
      expect(done).toBe(false);
      await clock.advance('1ms');
      await drained;
      silent.socket.destroy();
    });

    test('a shutdown of the process drains, then closes, server before hub', async () => {
      resetInfra();
      const { url } = await serve();
      const peer = await connected(url);
      const report = await shutdown('test');
      resetInfra();
      expect(await peer.ended()).toBe(4200);
      expect(report.hooks.map(({ name, phase, status }) => [name, phase, status])).toEqual([
        ['realtime server: drain', 'drain', 'done'],
        ['realtime server', 'stop', 'done'],
        ['realtime', 'close', 'done'],
      ]);
      expect(report.hooks[0]?.result).toEqual({ drained: 1 });
      await expect(fetch(url.replace('ws', 'http'))).rejects.toThrow();
    });

    test('no timer is left after it', async () => {
      const clock = fakeClock();
      const { server, url } = await serve({ clock });
      const peer = await connected(url);
      await server.drain();
      expect(await peer.ended()).toBe(4200);
      await server.close();
      expect(clock.pending()).toBe(0);
    });

    test('a drain before anybody could come in lets nobody in later', async () => {
      const hub = make();
      const server = createRealtimeServer({ realtime: hub, env: {}, engine: 'ws' });
      onTestFinished(() => server.close());
      expect(await server.drain()).toEqual({ drained: 0 });
      expect(await new Peer(await server.listen()).ended()).toBe(503);
    });

    test('close leaves nothing behind of a server that was about to start', async () => {
      for (const wait of [0, 1, 3, 10]) {
        const port = await freePort();
        const { server } = await serve();
        const starting = createRealtimeServer({
          realtime: make(),
          env: {},
          engine: server.engine as 'ws',
          port,
        });
        const listening = starting.listen().then(
          () => 'listened before',
          (error) => error.code,
        );
        for (let i = 0; i < wait; i += 1) await new Promise((resolve) => setImmediate(resolve));
        await starting.close();
        expect(wait === 0 ? ['E_REALTIME_CLOSED'] : ['E_REALTIME_CLOSED', 'listened before']).toContain(
          await listening,
        );
        const next = createRealtimeServer({ realtime: make(), env: {}, port });
        await next.listen();
        await next.close();
      }
    });

    test('close is done once, and nothing listens after it', async () => {
      const { server, url } = await serve();
      const peer = await connected(url);
      await Promise.all([server.close(), server.close()]);
      expect(await peer.ended()).toBe(1006);
      await expect(server.listen()).rejects.toMatchObject({ code: 'E_REALTIME_CLOSED' });
      expect(await new Peer(url).ended()).toBe(1006);
    });

    test('a port that is taken is a coded error', async () => {
      const { port } = await serve();
      const second = createRealtimeServer({ env: {}, port });
      await expect(second.listen()).rejects.toMatchObject({ code: 'E_LISTEN' });
      await second.close();
    });
  });
});
