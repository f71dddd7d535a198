// A browser uploads a file past the application: it asks for a place, sends the file there, and shows it by a link that
// expires. On disk without configuration, in a bucket with S3_BUCKET and its keys.
// With PORT set it stays up until Ctrl-C. Without, it listens on any free port, plays the browser once and stops.
import { randomUUID } from 'node:crypto';
import { installSignalHandlers, onShutdown, shutdown } from '@vibeonrails/infra-core';
import { type FetchHandler, serve } from '@vibeonrails/infra-core/http';
import { logger } from '@vibeonrails/infra-core/logging';
import { type SignedUpload, storage } from '@vibeonrails/infra-storage';

const MAX_BYTES = 5_000_000;
const TYPES = ['image/png', 'image/jpeg', 'image/webp'];
const files = storage.handler();

/** Who is asking: your session. Authorize before you sign, since a signed URL works for whoever has it. */
const userOf = (request: Request): string | undefined => request.headers.get('x-user') ?? undefined;

const app: FetchHandler = async (request) => {
  const { pathname, searchParams, origin } = new URL(request.url);
  if (pathname.startsWith('/storage/')) return files(request);
  const user = userOf(request);
  if (user === undefined) return new Response('Who are you?\n', { status: 401 });
  const mine = storage.scope(`users/${encodeURIComponent(user)}/`);

  if (request.method === 'POST' && pathname === '/uploads') {
    const { size, type } = (await request.json()) as { size: number; type: string };
    if (!(size <= MAX_BYTES) || !TYPES.includes(type))
      return Response.json({ problem: `Up to ${MAX_BYTES} bytes of ${TYPES.join(', ')}.` }, { status: 422 });
    // A key of ours: a name from outside could be anything.
    const key = randomUUID();
    const limits = { expiresIn: '5m', maxBytes: MAX_BYTES, types: TYPES, size, type, base: origin } as const;
    return Response.json({ key, ...(await mine.signedUpload(key, limits)) });
  }
  if (pathname === '/files') {
    const { files: found, next } = await mine
      .list({ limit: 100 })
      .page(searchParams.get('next') ?? undefined);
    return Response.json({ files: found.map(({ key, size }) => ({ key, size })), next });
  }
  const key = /^\/files\/([\w-]+)$/.exec(pathname)?.[1];
  if (key === undefined || !(await mine.exists(key))) return new Response('Not found\n', { status: 404 });
  return Response.redirect(await mine.signedUrl(key, { expiresIn: '1m', base: origin }), 302);
};

const { PORT = '0' } = process.env;
const server = await serve(app, { port: Number(PORT) });
onShutdown('http', () => server.close(), { phase: 'stop' });
logger.info({ url: server.url }, 'listening');

if (Number(PORT) > 0) installSignalHandlers();
else {
  const headers = { 'x-user': 'ada' };
  const image = new Blob([new Uint8Array([137, 80, 78, 71])], { type: 'image/png' });
  const body = JSON.stringify({ size: image.size, type: image.type });
  const asked = await fetch(`${server.url}/uploads`, { method: 'POST', headers, body });
  const place = (await asked.json()) as SignedUpload & { key: string };
  const sent = await fetch(place.url, { method: place.method, headers: place.headers, body: image });
  logger.info({ status: sent.status }, 'uploaded');
  const shown = await fetch(`${server.url}/files/${place.key}`, { headers });
  logger.info({ type: shown.headers.get('content-type'), size: (await shown.blob()).size }, 'shown');
  const listed = await fetch(`${server.url}/files`, { headers });
  logger.info({ answer: await listed.json() }, 'listed');
  await shutdown('example');
}
