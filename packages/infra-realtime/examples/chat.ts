// A chat on one port: the page, the browser client and the WebSocket.
//   PORT=3000 node examples/chat.ts   serves it: open http://127.0.0.1:3000/?name=ada in two windows
//   node examples/chat.ts             lets two clients talk, and ends
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { shutdown } from '@vibeonrails/infra-core';
import { channel, createRealtimeServer, type EventsOf } from '@vibeonrails/infra-realtime';
import { createClient } from '@vibeonrails/infra-realtime/client';
import { WebSocket } from 'ws';
import { z } from 'zod';

const chat = channel('chat.:room', {
  schema: { message: z.object({ text: z.string().trim().min(1).max(500) }) },
  clientEvents: ['message'],
  presence: true,
  authorize: ({ identity }, { room }) => room === 'lobby' && { member: { name: identity.userId } },
});

const page = `<!doctype html><meta charset="utf-8"><title>Chat</title>
<p id="here"></p><ul id="log"></ul><form><input name="text" autofocus autocomplete="off"></form>
<script type="module">
  import { createClient } from '/client.js';
  const name = new URLSearchParams(location.search).get('name') ?? 'guest';
  const room = createClient({ url: '/realtime', getToken: () => name }).subscribe('chat.lobby');
  const show = (text) => log.appendChild(document.createElement('li')).append(text);
  const count = async () => { here.textContent = (await room.presence()).map(({ id }) => id).join(', '); };
  room.on('$subscribed', count);
  room.on('$join', ({ id }) => (show(id + ' is here'), count()));
  room.on('$leave', ({ id }) => (show(id + ' is gone'), count()));
  room.on('message', ({ text }) => show(text));
  document.forms[0].onsubmit = (event) => {
    event.preventDefault();
    const { text } = event.target.elements;
    room.publish('message', { text: name + ': ' + text.value }).catch((error) => show(error.message));
    show(text.value);
    text.value = '';
  };
</script>`;

const script = readFile(fileURLToPath(import.meta.resolve('@vibeonrails/infra-realtime/client')));
const http = createServer(async (req, res) => {
  const isScript = req.url === '/client.js';
  res.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
  res.end(isScript ? await script : page);
});
// In production check a session here, and set REALTIME_ALLOWED_ORIGINS.
const realtime = createRealtimeServer({
  channels: [chat],
  authenticate: ({ token }) => (token ? { userId: token } : null),
});
await realtime.attach(http);
http.listen(Number(process.env.PORT ?? 0), '127.0.0.1');
await once(http, 'listening');
const { port } = http.address() as AddressInfo;
console.log(`http://127.0.0.1:${port}/?name=ada`);

if (process.env.PORT === undefined) {
  const join = async (name: string) => {
    const url = `ws://127.0.0.1:${port}/realtime`;
    const client = createClient({ url, getToken: () => name, WebSocket });
    const room = client.subscribe<EventsOf<typeof chat>>('chat.lobby');
    await new Promise((resolve) => room.on('$subscribed', resolve));
    return { client, room };
  };
  const [ada, bob] = [await join('ada'), await join('bob')];
  console.log(
    'here:',
    (await ada.room.presence()).map(({ id }) => id),
  ); // [ 'ada', 'bob' ]
  const heard = new Promise<string>((resolve) => bob.room.on('message', ({ text }) => resolve(text)));
  await ada.room.publish('message', { text: ' Hello, Bob. ' });
  console.log('bob hears:', await heard); // Hello, Bob.
  for (const { client } of [ada, bob]) client.close();
  http.close();
  await shutdown('the example is over');
}
