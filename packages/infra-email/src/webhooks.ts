import { createHmac, timingSafeEqual } from 'node:crypto';
import { config } from './config.ts';
import { type Clock, type Duration, type Env, systemClock, toMs } from './core.ts';
import { EmailOptionError, WebhookError } from './errors.ts';

/** What the events of one e-mail share. */
interface EmailEventFields {
  /** The same over each delivery of one event: whoever acts on events remembers it, since they come more than once. */
  readonly id: string;
  /** When it happened. */
  readonly at: Date;
  /** The id that `sendEmail` answered. */
  readonly emailId: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  /** As they were given to `sendEmail`. */
  readonly tags: Readonly<Record<string, string>>;
}

/** Something that became of an e-mail, or of anything else at Resend. */
export type EmailEvent =
  | (EmailEventFields & {
      readonly type: 'sent' | 'scheduled' | 'delivered' | 'delivery_delayed' | 'complained' | 'opened';
    })
  /** It came back. `permanent`: this address will never take one. */
  | (EmailEventFields & { readonly type: 'bounced'; readonly permanent: boolean; readonly reason: string })
  | (EmailEventFields & { readonly type: 'failed' | 'suppressed'; readonly reason: string })
  | (EmailEventFields & { readonly type: 'clicked'; readonly link: string })
  /** Any other event, such as `contact.created`, with its data as it came. */
  | {
      readonly type: 'other';
      readonly id: string;
      readonly at: Date;
      readonly name: string;
      readonly data: unknown;
    };

/** How a webhook is verified. */
export interface ResendWebhookOptions {
  /** The signing secret that Resend shows for the endpoint, `whsec_…`. @default RESEND_WEBHOOK_SECRET */
  secret?: string;
  /** How far its time may be from ours. @default '5m' */
  tolerance?: Duration;
  /** @default the machine's clock */
  clock?: Clock;
  /** @default process.env */
  env?: Env;
}

/** More than an event ever has. */
const MAX_BODY = 1024 * 1024;

/** The event of a request, once its signature has been found right. */
export async function verify(request: Request, options: ResendWebhookOptions): Promise<EmailEvent> {
  const { tolerance = '5m', clock = systemClock, env } = options;
  const secret = keyOf(options.secret ?? config.read(env).RESEND_WEBHOOK_SECRET);
  const header = (name: string): string =>
    request.headers.get(`svix-${name}`) ?? request.headers.get(`webhook-${name}`) ?? '';
  const [id, timestamp, signatures] = [header('id'), header('timestamp'), header('signature')];
  if (id === '' || signatures === '' || !/^\d{1,12}$/.test(timestamp))
    throw new WebhookError('is not signed');
  if (Math.abs(clock.now() - Number(timestamp) * 1000) > toMs(tolerance))
    throw new WebhookError('was signed at another time than now');
  const body = await bodyOf(request);
  const expected = createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest();
  // While a secret is replaced there is a signature of each.
  const right = signatures.split(' ').filter((one) => {
    const given = Buffer.from(/^v1,(.+)$/.exec(one)?.[1] ?? '', 'base64');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (right.length === 0) throw new WebhookError('has no signature of this secret');
  return toEvent(id, body);
}

function keyOf(secret: string | undefined): Buffer {
  const [, text = ''] = /^(?:whsec_)?([\w+/-]+={0,2})$/.exec(secret ?? '') ?? [];
  const key = Buffer.from(text, 'base64');
  if (key.length >= 16) return key;
  const help = 'Set RESEND_WEBHOOK_SECRET to what Resend shows for the endpoint: whsec_…';
  throw new EmailOptionError('secret', undefined, help);
}

/** The bytes as they came: the signature is over them. Nobody has proved yet who sends them, so they are limited. */
async function bodyOf(request: Request): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body?.getReader();
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    size += read.value.byteLength;
    chunks.push(read.value);
    if (size <= MAX_BODY) continue;
    await reader?.cancel();
    throw new WebhookError(`has more than ${MAX_BODY} bytes`);
  }
  return Buffer.concat(chunks);
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** What is signed comes from Resend; a field that it leaves out one day must not lose the event. */
function toEvent(id: string, body: Buffer): EmailEvent {
  const event = fieldsOf(parse(body));
  const name = textOf(event.type);
  const at = new Date(textOf(event.created_at) || Number.NaN);
  const data = fieldsOf(event.data);
  const type = /^email\.(.+)$/.exec(name)?.[1];
  const fields: EmailEventFields = {
    id,
    at,
    emailId: textOf(data.email_id),
    from: textOf(data.from),
    to: Array.isArray(data.to) ? data.to.map(textOf) : [],
    subject: textOf(data.subject),
    tags: fieldsOf(data.tags) as Readonly<Record<string, string>>,
  };
  switch (type) {
    case 'sent':
    case 'scheduled':
    case 'delivered':
    case 'delivery_delayed':
    case 'complained':
    case 'opened':
      return { ...fields, type };
    case 'bounced': {
      const { type: kind, message } = fieldsOf(data.bounce);
      return { ...fields, type, permanent: kind === 'Permanent', reason: textOf(message) };
    }
    case 'failed':
      return { ...fields, type, reason: textOf(fieldsOf(data.failed).reason) };
    case 'suppressed':
      return { ...fields, type, reason: textOf(fieldsOf(data.suppressed).message) };
    case 'clicked':
      return { ...fields, type, link: textOf(fieldsOf(data.click).link) };
    default:
      return { type: 'other', id, at, name, data: event.data };
  }
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw new WebhookError('holds no JSON', cause);
  }
}
