import { formatAddress } from '../addresses.ts';
import { VERSION } from '../config.ts';
import { once } from '../core.ts';
import { DeliveryError } from '../delivery-errors.ts';
import type { Address, EmailDriver, RenderedEmail, SendReceipt } from '../driver.ts';
import { library } from '../errors.ts';
import { type Attempt, attemptOnce, type DeliveryLimits, inAttempts, type Outcome } from './attempts.ts';
import { type ResendAnswer, resendFailure } from './resend-answers.ts';

/** How Resend is reached. */
export interface ResendDriverOptions extends DeliveryLimits {
  readonly apiKey: string;
  /** Without a slash at its end. */
  readonly baseUrl: string;
}

/** A message as the SDK takes it. Its texts are final: each try makes the same bytes of them. */
interface ResendPayload {
  from: string;
  to: string[];
  cc?: string[];
  bcc?: string[];
  replyTo?: string[];
  subject: string;
  html: string;
  text: string;
  headers?: Record<string, string>;
  tags?: { name: string; value: string }[];
  attachments?: { filename: string; content: string; contentType: string; contentId?: string }[];
}

/** Makes a driver over Resend's API. Nothing is loaded or asked before `ready()` or the first message. */
export function resendDriver(options: ResendDriverOptions): EmailDriver {
  const { apiKey, baseUrl, timeout, clock } = options;
  const load = once(async () => {
    const { Resend } = await library('resend', () => import('resend'));
    return new Resend(apiKey, { baseUrl, userAgent: `vibeonrails-infra-email/${VERSION}` });
  });
  type Client = Awaited<ReturnType<typeof load>>;

  const attempt = <T>(
    key: string,
    call: (client: Client, signal: AbortSignal) => Promise<ResendAnswer>,
    read: (data: unknown) => T | undefined,
  ): Attempt<T> => ({
    async run(signal): Promise<Outcome<T>> {
      try {
        const answer = await call(await load(), signal);
        const value = answer.error ? undefined : read(answer.data);
        return value === undefined ? resendFailure(answer, { key, apiKey, clock }) : { value };
      } catch (error) {
        return { error: error as Error };
      }
    },
    late: () => ({ error: noAnswer(timeout), again: true }),
  });

  const check = async (signal: AbortSignal): Promise<void> => {
    const list = attempt(
      '',
      (client, aborted) => client.get('/domains?limit=1', { signal: aborted }),
      (data) => (typeof data === 'object' && data !== null ? true : undefined),
    );
    const outcome = await attemptOnce(list, timeout, clock, signal);
    // A key that may only send cannot list domains: that Resend says so is the proof that it knows the key.
    if ('error' in outcome && !isRestricted(outcome.error)) throw asUnavailable(outcome.error);
  };

  return {
    name: 'resend',
    ready: once(() => check(new AbortController().signal)),
    async send(message, { idempotencyKey, signal }) {
      signal.throwIfAborted();
      const payload = toPayload(message);
      const post = (client: Client, aborted: AbortSignal): Promise<ResendAnswer> =>
        client.emails.send(payload, { idempotencyKey, signal: aborted });
      return inAttempts(() => attempt(idempotencyKey, post, readId), options, signal);
    },
    check,
    close: async () => undefined,
  };
}

function readId(data: unknown): SendReceipt | undefined {
  const { id } = (data ?? {}) as { id?: unknown };
  return typeof id === 'string' && id !== '' ? { id } : undefined;
}

const noAnswer = (timeout: number): DeliveryError =>
  new DeliveryError('E_EMAIL_UNKNOWN_OUTCOME', `Resend did not answer within ${timeout} ms.`);

/** A check has no outcome that could be unknown. */
const asUnavailable = (error: Error): Error =>
  error instanceof DeliveryError && error.code === 'E_EMAIL_UNKNOWN_OUTCOME'
    ? new DeliveryError('E_EMAIL_UNAVAILABLE', error.message.replace(` ${error.help}`, ''), { cause: error })
    : error;

const isRestricted = (error: Error): boolean =>
  error instanceof DeliveryError && error.message.includes('restricted_api_key');

/** The message in Resend's terms; what is empty is left out. */
function toPayload(message: Readonly<RenderedEmail>): ResendPayload {
  const list = (addresses: readonly Address[]): string[] => addresses.map(formatAddress);
  const { cc, bcc, replyTo, headers, attachments } = message;
  const tags = Object.entries(message.tags).map(([name, value]) => ({ name, value }));
  return {
    from: formatAddress(message.from),
    to: list(message.to),
    ...(cc.length > 0 ? { cc: list(cc) } : {}),
    ...(bcc.length > 0 ? { bcc: list(bcc) } : {}),
    ...(replyTo.length > 0 ? { replyTo: list(replyTo) } : {}),
    subject: message.subject,
    html: message.html,
    text: message.text,
    ...(Object.keys(headers).length > 0 ? { headers: { ...headers } } : {}),
    ...(tags.length > 0 ? { tags } : {}),
    ...(attachments.length > 0 ? { attachments: attachments.map(toAttachment) } : {}),
  };
}

/** In base64 from the start: bytes that somebody changes meanwhile would make the next try another message. */
function toAttachment({
  filename,
  content,
  contentType,
  cid,
}: RenderedEmail['attachments'][number]): NonNullable<ResendPayload['attachments']>[number] {
  const base64 = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('base64');
  return { filename, content: base64, contentType, ...(cid === undefined ? {} : { contentId: cid }) };
}
