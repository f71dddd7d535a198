// What the demo answers over HTTP: the page, the form, and what the page shows.
import { readFile } from 'node:fs/promises';
import { cache } from '@vibeonrails/infra/cache';
import { isInfraError } from '@vibeonrails/infra/core';
import { email } from '@vibeonrails/infra/email';
import { checkHealth } from '@vibeonrails/infra/health';
import type { FetchHandler } from '@vibeonrails/infra/http';
import { registry } from '@vibeonrails/infra/monitoring';
import { crons, queue } from '@vibeonrails/infra/queue';
import { realtime } from '@vibeonrails/infra/realtime';
import { storage } from '@vibeonrails/infra/storage';
import { clientScript } from './client-script.ts';
import { emailTo, evidenceOf } from './evidence.ts';
import { excerpts } from './excerpts.ts';
import { live } from './feed.ts';
import { countPeople, findPerson } from './people.ts';
import { FormError, signUp } from './sign-up.ts';

const MAX_FORM_BYTES = 1_200_000;

const page = (name: string, type: string) => async (): Promise<Response> =>
  new Response(await readFile(new URL(`page/${name}`, import.meta.url)), {
    headers: { 'content-type': type },
  });

const script = async (): Promise<Response> =>
  new Response(await clientScript(), { headers: { 'content-type': 'text/javascript; charset=utf-8' } });

const routes: Record<string, (request: Request, id: string) => Response | Promise<Response>> = {
  'GET /': page('index.html', 'text/html; charset=utf-8'),
  'GET /style.css': page('style.css', 'text/css; charset=utf-8'),
  'GET /page.js': page('page.js', 'text/javascript; charset=utf-8'),
  'GET /client.js': script,
  'GET /state': state,
  'GET /code': async () => Response.json(await excerpts()),
  'POST /sign-up': postSignUp,
  'GET /people/:id': person,
  'GET /people/:id/email': async (_, id) => {
    const html = await emailTo((await findPerson(id)).email);
    return new Response(html, {
      headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': 'sandbox' },
    });
  },
};

/** The route of a request, as metrics name it: never the raw path. */
export const routeOf = (request: Request): string =>
  new URL(request.url).pathname
    .replace(/^\/people\/[^/]+/, '/people/:id')
    .replace(/^\/storage\/.+/, '/storage/:key');

/** Answers every request of the demo. */
export const answer: FetchHandler = async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname.startsWith('/storage/')) return storage.handler()(request);
  const handler = routes[`${request.method} ${routeOf(request)}`];
  if (!handler) return new Response('There is nothing at this address.\n', { status: 404 });
  try {
    return await handler(request, pathname.split('/')[2] ?? '');
  } catch (error) {
    if (error instanceof FormError) return Response.json({ problems: error.problems }, { status: 422 });
    if (isInfraError(error, 'E_STORAGE_NOT_FOUND'))
      return new Response('Nobody has this id.\n', { status: 404 });
    throw error;
  }
};

async function postSignUp(request: Request): Promise<Response> {
  const tooLarge = new FormError({ avatar: 'Choose a picture of at most 1 MB.' });
  if (Number(request.headers.get('content-length') ?? Number.POSITIVE_INFINITY) > MAX_FORM_BYTES)
    throw tooLarge;
  const fields = await request.formData().catch(() => {
    throw new FormError({ name: 'The form did not arrive whole. Send it again.' });
  });
  return Response.json({ id: await signUp(fields) }, { status: 201 });
}

async function person(_: Request, id: string): Promise<Response> {
  const { avatar, traceId = '', ...rest } = await findPerson(id);
  return Response.json({
    ...rest,
    avatarUrl: await storage.signedUrl(avatar, { expiresIn: '10m' }),
    ...(await evidenceOf(traceId)),
  });
}

async function state(): Promise<Response> {
  const [total, health, metrics] = await Promise.all([countPeople(), checkHealth(), registry.render()]);
  return Response.json({
    ...total,
    health: health.checks.map(({ name, status }) => ({ name, status })),
    crons: (await crons()).map(({ name, next }) => ({ name, next })),
    metrics: metrics
      .split('\n')
      .filter((line) => /^(\w+_total|(queue|email)_\w+_count|http_server_\w+_count.*sign-up)/.test(line))
      .map((line) => ({
        series: line.slice(0, line.lastIndexOf(' ')),
        value: line.slice(line.lastIndexOf(' ') + 1),
      })),
    engines: engines(),
    live: live.url,
  });
}

/** What each module runs on now, and what starts the demo on its other engine. */
function engines(): { module: string; driver: string; other: string }[] {
  const plain = 'npm run demo';
  const onRedis = (module: string, driver: string) => ({
    module,
    driver,
    other: driver === 'memory' ? `${plain} -- --redis` : plain,
  });
  return [
    onRedis('queue', queue.driver),
    onRedis('cache', cache.driver),
    onRedis('realtime', realtime.driver),
    {
      module: 'storage',
      driver: storage.driver,
      other: storage.driver === 'fs' ? `${plain} -- --s3` : plain,
    },
    { module: 'e-mail', driver: email.driver, other: 'SMTP_URL=smtp://… npm run demo' },
    {
      module: 'WebSockets',
      driver: live.engine ?? 'none',
      other: live.engine === 'ws' ? `${plain} -- --uws` : plain,
    },
  ];
}
