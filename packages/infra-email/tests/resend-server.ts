import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseAddress } from '../src/addresses.ts';

/** A request as it arrived. */
export interface Arrived {
  readonly path: string;
  readonly key: string | undefined;
  readonly body: string;
}

/** What the server does with a request in place of its usual answer. */
export type Fault = (request: Arrived, response: ServerResponse, usual: () => void) => void;

interface Refusal {
  statusCode: number;
  name: string;
  message: string;
}

const refuse = (statusCode: number, name: string, message = name): Refusal => ({ statusCode, name, message });

/** A server with the shapes and rules of Resend's API, as far as sending goes. */
export class ResendServer {
  readonly apiKey = 're_test_0123456789';
  readonly requests: Arrived[] = [];
  /** The messages that were taken over, in order. */
  readonly taken: Record<string, unknown>[] = [];
  /** One a request; when they are used up it answers as usual. */
  readonly faults: Fault[] = [];
  restricted = false;
  port = 0;
  #server: Server | undefined;
  readonly #keys = new Map<string, { body: string; answer: object }>();
  readonly #underWay = new Set<string>();

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<this> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  /** Gone at once, with what is under way. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = request.url ?? '';
    const key = request.headers['idempotency-key'] as string | undefined;
    const arrived = { path, key, body: Buffer.concat(chunks).toString() };
    this.requests.push(arrived);
    const usual = (): void => {
      const answer = this.#answer(request.method ?? '', request.headers.authorization, arrived);
      reply(response, 'statusCode' in answer ? (answer as Refusal).statusCode : 200, answer);
    };
    const fault = this.faults.shift();
    if (fault) return fault(arrived, response, usual);
    if (key !== undefined && this.#underWay.has(key))
      return reply(response, 409, refuse(409, 'concurrent_idempotent_requests'));
    if (key !== undefined) this.#underWay.add(key);
    setTimeout(() => {
      usual();
      this.#underWay.delete(key ?? '');
    }, 20);
  }

  #answer(method: string, authorization: string | undefined, { path, key, body }: Arrived): object {
    if (!authorization) return refuse(401, 'missing_api_key');
    if (authorization !== `Bearer ${this.apiKey}`)
      return refuse(403, 'invalid_api_key', `API key ${authorization} is invalid`);
    if (method === 'GET' && path.startsWith('/domains'))
      return this.restricted ? refuse(401, 'restricted_api_key') : { data: [] };
    if (method !== 'POST' || path !== '/emails') return refuse(404, 'not_found');
    if (key !== undefined && (key === '' || key.length > 256)) return refuse(400, 'invalid_idempotency_key');
    const former = key === undefined ? undefined : this.#keys.get(key);
    if (former && former.body !== body) return refuse(409, 'invalid_idempotent_request');
    if (former) return former.answer;
    const email = JSON.parse(body) as Record<string, unknown>;
    const problem = problemOf(email);
    if (problem) return refuse(422, 'validation_error', problem);
    this.taken.push(email);
    const answer = { id: `00000000-0000-4000-8000-${String(this.taken.length).padStart(12, '0')}` };
    if (key !== undefined) this.#keys.set(key, { body, answer });
    return answer;
  }
}

/** Answers with JSON. */
export function reply(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

const FIELDS =
  /^(?:from|to|cc|bcc|reply_to|subject|html|text|headers|tags|attachments|scheduled_at|template|topic_id)$/;

/** What Resend's reference demands of a message; undefined when nothing is wrong with it. */
function problemOf(email: Record<string, unknown>): string | undefined {
  const unknown = Object.keys(email).find((name) => !FIELDS.test(name));
  if (unknown) return `unknown field ${unknown}`;
  for (const name of ['from', 'to', 'subject'])
    if (email[name] === undefined) return `Missing \`${name}\` field.`;
  if (typeof email.from !== 'string' || !isAddress(email.from)) return 'Invalid `from` field.';
  for (const name of ['to', 'cc', 'bcc', 'reply_to']) {
    const list = [email[name] ?? []].flat();
    if (list.some((it) => typeof it !== 'string' || !isAddress(it))) return `Invalid \`${name}\` field.`;
    if (name === 'to' && (list.length < 1 || list.length > 50)) return 'The `to` field must hold 1 to 50.';
  }
  if (typeof email.subject !== 'string' || /[\r\n]/.test(email.subject)) return 'Invalid `subject` field.';
  if (typeof email.html !== 'string' && typeof email.text !== 'string') return 'Missing `html` or `text`.';
  for (const value of Object.values(email.headers ?? {}))
    if (typeof value !== 'string' || /[\r\n]/.test(value)) return 'Invalid `headers` field.';
  for (const { name, value } of (email.tags ?? []) as { name: string; value: string }[])
    for (const part of [name, value])
      if (!/^[A-Za-z0-9_-]{1,256}$/.test(part))
        return 'Tags should only contain ASCII letters, numbers, _ or -.';
  for (const { content, filename } of (email.attachments ?? []) as Record<string, unknown>[])
    if (typeof filename !== 'string' || typeof content !== 'string' || !/^[A-Za-z0-9+/=]*$/.test(content))
      return 'Invalid `attachments` field.';
  return undefined;
}

function isAddress(text: string): boolean {
  try {
    return parseAddress(text, 'it').email !== '';
  } catch {
    return false;
  }
}
