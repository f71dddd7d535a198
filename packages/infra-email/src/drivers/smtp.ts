import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { maskAddress } from '../addresses.ts';
import type { SmtpServer } from '../config.ts';
import { once } from '../core.ts';
import { DeliveryError } from '../delivery-errors.ts';
import type { EmailDriver, RenderedEmail, SendReceipt } from '../driver.ts';
import { library } from '../errors.ts';
import { toMime } from '../mime.ts';
import { type Attempt, attemptOnce, type DeliveryLimits, inAttempts } from './attempts.ts';
import { digestOf } from './outbox-files.ts';
import { oncePerKey } from './sent-keys.ts';
import { smtpFailure } from './smtp-answers.ts';

/** How mail is handed over. */
export interface SmtpDriverOptions extends DeliveryLimits {
  readonly server: SmtpServer;
}

/** Who it is from and for, as the server is told; and the message, as it is sent. */
interface Letter {
  readonly envelope: { from: string; to: string[] };
  readonly raw: Buffer;
}

/** Makes a driver over SMTP. Nothing is loaded or connected before `ready()` or the first message. */
export function smtpDriver(options: SmtpDriverOptions): EmailDriver {
  const { server, timeout, clock } = options;
  const open = once(() => connect(server, timeout));
  const perKey = oncePerKey(clock);

  const attempt = (letter: Letter): Attempt<void> => {
    let stream: { readonly readableDidRead: boolean } | undefined;
    const begun = (): boolean => stream?.readableDidRead ?? false;
    return {
      async run(signal) {
        try {
          const transport = await open();
          const { rejected } = await transport.sendMail({ ...letter, signal, watch: (it) => (stream = it) });
          return rejected.length === 0 ? { value: undefined } : { error: partial(rejected, letter) };
        } catch (error) {
          if (error instanceof DeliveryError || isOurs(error)) return { error: error as Error };
          return smtpFailure(error, begun(), server.password);
        }
      },
      late: () =>
        smtpFailure(new Error(`The server did not answer within ${timeout} ms`), begun(), server.password),
    };
  };

  const check = async (signal: AbortSignal): Promise<void> => {
    const late = (): ReturnType<typeof smtpFailure> =>
      smtpFailure(new Error(`The server did not answer within ${timeout} ms`), false, server.password);
    const run: Attempt<true>['run'] = async () => {
      try {
        await (await open()).verify();
        return { value: true };
      } catch (error) {
        return isOurs(error) ? { error: error as Error } : smtpFailure(error, false, server.password);
      }
    };
    const outcome = await attemptOnce({ run, late }, timeout, clock, signal);
    if ('error' in outcome) throw outcome.error;
  };

  return {
    name: 'smtp',
    ready: once(() => check(new AbortController().signal)),
    async send(message, { idempotencyKey, signal }) {
      signal.throwIfAborted();
      return perKey(idempotencyKey, digestOf(message), signal, async () => {
        const { letter, receipt } = write(message, idempotencyKey, clock.now());
        await inAttempts(() => attempt(letter), options, signal);
        return receipt;
      });
    },
    check,
    close: async () => {
      (await open.done()?.catch(() => undefined))?.close();
    },
  };
}

/** The bytes of a message, made once. Its Message-ID comes from the key, so that a mailbox knows a second copy. */
function write(
  message: Readonly<RenderedEmail>,
  key: string,
  date: number,
): { letter: Letter; receipt: SendReceipt } {
  const { from } = message;
  const to = [...new Set([...message.to, ...message.cc, ...message.bcc].map(({ email }) => email))];
  const id = createHash('sha256')
    .update(JSON.stringify([key, from.email, to]))
    .digest('hex')
    .slice(0, 32);
  const raw = Buffer.from(toMime(message, { date, id }), 'latin1');
  const domain = from.email.slice(from.email.lastIndexOf('@') + 1);
  return { letter: { envelope: { from: from.email, to }, raw }, receipt: { id: `${id}@${domain}` } };
}

function partial(rejected: readonly string[], { envelope }: Letter): DeliveryError {
  const shown = rejected.map((email) => maskAddress({ email })).join(', ');
  const problem = `SMTP: the server refused ${rejected.length} of ${envelope.to.length} recipients: ${shown}.`;
  return new DeliveryError('E_EMAIL_PARTIAL', problem, { rejected });
}

const isOurs = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('E_EMAIL_');

/** What is used of nodemailer. */
interface Transport {
  sendMail(
    mail: Letter & {
      signal: AbortSignal;
      /** Is given the stream that the message is read from. */
      watch: (stream: { readonly readableDidRead: boolean }) => void;
    },
  ): Promise<{ rejected: string[] }>;
  verify(): Promise<unknown>;
  close(): void;
}

async function connect(server: SmtpServer, timeout: number): Promise<Transport> {
  const nodemailer = await library('nodemailer', () => import('nodemailer'), {
    neededBy: 'SMTP',
    install: 'pnpm add nodemailer',
  });
  const { host, port, secure, user, password, tls, servername, name, pool } = server;
  const ca = server.ca === undefined ? undefined : await readAuthority(server.ca);
  const transport = nodemailer.createTransport({
    host,
    port,
    secure,
    requireTLS: tls === 'required',
    ignoreTLS: tls === 'off',
    ...(user === undefined ? {} : { auth: { user, pass: password }, forceAuth: true }),
    ...(name === undefined ? {} : { name }),
    tls: { ...(ca ? { ca } : {}), ...(servername ? { servername } : {}) },
    connectionTimeout: timeout,
    greetingTimeout: timeout,
    dnsTimeout: timeout,
    socketTimeout: timeout,
    disableFileAccess: true,
    disableUrlAccess: true,
    // Trying again is ours, within the deadline.
    ...(pool > 0 ? { pool: true, maxConnections: pool, maxRequeues: 0 } : {}),
  } as Parameters<typeof nodemailer.createTransport>[0]);
  // What goes wrong is told to who sends; without a listener it would end the process as well.
  transport.on('error', () => undefined);
  transport.use('stream', (mail, done) => {
    const { data, message } = mail as unknown as {
      data: { watch: (stream: unknown) => void };
      message: { processFunc(fn: (stream: unknown) => unknown): void };
    };
    message.processFunc((stream) => {
      data.watch(stream);
      return stream;
    });
    done();
  });
  return transport as unknown as Transport;
}

async function readAuthority(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new DeliveryError('E_EMAIL_TLS', `The file of SMTP_URL's "ca", ${path}, cannot be read.`, {
      cause: error,
    });
  }
}
