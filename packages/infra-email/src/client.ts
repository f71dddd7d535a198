import {
  type Clock,
  type Duration,
  type Env,
  logger,
  type ModuleInstance,
  onShutdown,
  operation,
} from '@vibeonrails/infra-core';
import { type AddressInput, maskAddress, parseAddress } from './addresses.ts';
import { makeDriver, readValues } from './choose.ts';
import type { EmailDriverName } from './config.ts';
import type { Address, EmailDriver, RenderedEmail, SendReceipt } from './driver.ts';
import type { Outbox } from './drivers/outbox.ts';
import { EmailClosedError, FromRequiredError } from './errors.ts';
import { composeMessage, type EnvelopeOptions, toIdempotencyKey } from './message.ts';
import { sandboxed } from './sandbox.ts';
import type { Finding } from './template/findings.ts';
import { createTemplates, type RenderOptions } from './templates.ts';

/**
 * The data each template takes, for type checks: an application adds its templates by declaration merging.
 *
 * ```ts
 * declare module '@vibeonrails/infra-email' {
 *   interface EmailTemplates {
 *     welcome: { name: string; appName: string };
 *   }
 * }
 * ```
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is there to be filled by applications
export interface EmailTemplates {}

/** The name of a template: one that {@link EmailTemplates} lists, or any other. */
export type TemplateName = keyof EmailTemplates | (string & {});

/** The data of a template: as {@link EmailTemplates} says, else any. */
export type TemplateData<T extends TemplateName> = T extends keyof EmailTemplates
  ? EmailTemplates[T]
  : Readonly<Record<string, unknown>>;

/** The `data` of a template: required where {@link EmailTemplates} says what it is. */
export type DataOption<T extends TemplateName> = T extends keyof EmailTemplates
  ? { /** A value for every variable that the template uses. */ data: EmailTemplates[T] }
  : { /** A value for every variable that the template uses. */ data?: TemplateData<T> };

/** What an e-mail is rendered with. */
export type RenderEmailOptions<T extends TemplateName = TemplateName> = DataOption<T> & {
  /** A language tag: `fr-CA` takes `welcome.fr-CA.md`, else `welcome.fr.md`, else `welcome.md`. */
  locale?: string;
};

/** An e-mail to send. */
export type SendEmailOptions<T extends TemplateName = TemplateName> = EnvelopeOptions &
  RenderEmailOptions<T> & {
    /**
     * The same key sends one e-mail, however often it is tried: name what the e-mail is about, `welcome/user-42`.
     * @default a new key for each call
     */
    idempotencyKey?: string;
    /** Abort it to give up. */
    signal?: AbortSignal;
  };

/** What an e-mail looks like. */
export interface RenderedContent {
  readonly subject: string;
  readonly html: string;
  readonly text: string;
  /** What is worth a look before it is sent: too long for Gmail, no preheader, data that nothing uses. */
  readonly findings: readonly Finding[];
}

/** What became of an e-mail. */
export type SendEmailResult =
  /** A driver took it over for delivery. */
  | { readonly status: 'sent'; readonly id: string; readonly driver: string }
  /** It was written to disk; a browser shows it at `previewPath`. */
  | { readonly status: 'outbox'; readonly id: string; readonly previewPath: string }
  /** It was not sent, as its recipients' addresses bounced, complained or were blocked. No driver answers so yet. */
  | {
      readonly status: 'suppressed';
      readonly id: string;
      readonly reason: 'bounce' | 'complaint' | 'manual';
    };

/** How a sender is made. */
export interface EmailOptions {
  /** A driver by name, or one of your own. @default EMAIL_DRIVER, else the one whose variable is set, else outbox */
  driver?: EmailDriverName | EmailDriver;
  /** Resend. @default RESEND_API_KEY and RESEND_BASE_URL */
  resend?: { apiKey?: string; baseUrl?: string };
  /** The server that takes mail. @default SMTP_URL */
  smtp?: { url?: string };
  /** The one address that gets every e-mail in place of its recipients. @default EMAIL_SANDBOX_TO */
  sandboxTo?: AddressInput;
  /** How long one try to deliver may take. @default '10s' */
  timeout?: Duration;
  /** How long delivering one e-mail may take, with all tries and the waits between them. @default '30s' */
  deadline?: Duration;
  /** Who e-mail is from. @default EMAIL_FROM; the outbox does without */
  from?: AddressInput;
  /** The folder of the application's templates. @default EMAIL_TEMPLATES, else 'emails' */
  templates?: string;
  /** The language of templates without a locale in their name. @default 'en' */
  locale?: string;
  /** The folder of the outbox driver. @default EMAIL_OUTBOX, else '.outbox' */
  outbox?: string;
  /** How many messages the outbox keeps. @default 500 */
  keep?: number;
  /** Look at template files again at each rendering. @default true unless NODE_ENV is production */
  reload?: boolean;
  /** @default the machine's clock */
  clock?: Clock;
  /** @default process.env */
  env?: Env;
}

/** Sends e-mail from templates. */
export interface Email extends ModuleInstance {
  /**
   * Renders a template and hands it to the driver.
   *
   * @throws a coded error, and nothing is sent: `E_EMAIL_TEMPLATE_NOT_FOUND`, `E_EMAIL_DATA`, `E_EMAIL_ADDRESS` and
   * the others of the README's table; or what the driver rejects with.
   */
  send<T extends TemplateName>(template: T, options: SendEmailOptions<T>): Promise<SendEmailResult>;
  /** Renders a template and sends nothing. Throws as {@link Email.send} does. */
  render<T extends TemplateName>(template: T, options?: RenderEmailOptions<T>): Promise<RenderedContent>;
  /** Resolves when an e-mail could be sent now, after a real round trip to the driver. */
  check(signal: AbortSignal): Promise<void>;
  /** Its driver's name, such as `outbox`. */
  readonly driver: string;
  /** The messages written to disk; undefined with a driver that delivers. */
  readonly outbox: Outbox | undefined;
}

const sends = operation('email.send');
const log = logger.child({ module: 'email' });

/**
 * Makes a sender of its own, independent of the default one.
 *
 * @throws {@link DriverRequiredError} `E_EMAIL_DRIVER_REQUIRED` in production when nothing chose a driver.
 * @throws {@link ConfigError} `E_CONFIG` when one of its variables holds something else.
 */
export function createEmail(options: EmailOptions = {}): Email {
  const values = readValues(options);
  const driver = makeDriver(options, values);
  const from = toAddress(values.EMAIL_FROM ?? driver.defaultFrom, 'from');
  // A driver with a sender of its own delivers to nobody.
  const sandbox =
    driver.defaultFrom === undefined ? toAddress(values.EMAIL_SANDBOX_TO, 'sandboxTo') : undefined;
  const templates = createTemplates({
    folder: options.templates ?? values.EMAIL_TEMPLATES,
    ...(options.locale === undefined ? {} : { locale: options.locale }),
    reload: options.reload ?? (options.env ?? process.env).NODE_ENV !== 'production',
  });
  const underWay = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;
  const forgetHook = onShutdown('email', () => close());

  const ready = async (): Promise<void> => {
    refuseWhenClosed(closing);
    await Promise.all([driver.ready(), templates.ready()]);
  };
  const deliver = async (template: string, given: SendEmailOptions): Promise<SendEmailResult> => {
    const signal = given.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    const idempotencyKey = toIdempotencyKey(given.idempotencyKey);
    if (from === undefined && given.from === undefined) throw new FromRequiredError(driver.name);
    const rendered = await templates.render(template, renderOptions(given));
    const composed = composeMessage(
      template,
      rendered,
      given,
      from ?? parseAddress(given.from ?? '', 'from'),
    );
    const message = sandbox ? sandboxed(composed, sandbox) : composed;
    const receipt = await sends.trace(() => driver.send(message, { idempotencyKey, signal }), {
      template,
      transport: driver.name,
      recipients: message.to.length + message.cc.length + message.bcc.length,
    });
    return report(driver.name, message, receipt);
  };
  function close(): Promise<void> {
    closing ??= (async () => {
      forgetHook();
      await Promise.allSettled(underWay);
      await driver.close();
    })();
    return closing;
  }

  return {
    driver: driver.name,
    outbox: isOutbox(driver) ? driver : undefined,
    ready,
    close,
    check: async (signal) => {
      refuseWhenClosed(closing);
      await driver.check(signal);
    },
    render: async (template, given) => {
      refuseWhenClosed(closing);
      const { subject, html, text, findings } = await templates.render(template, renderOptions(given));
      return { subject, html, text, findings };
    },
    send: async (template, given) => {
      refuseWhenClosed(closing);
      const sending = deliver(template, given);
      const settled = sending.catch(() => undefined);
      underWay.add(settled);
      try {
        return await sending;
      } finally {
        underWay.delete(settled);
      }
    },
  };
}

const toAddress = (text: string | undefined, field: string): Address | undefined =>
  text === undefined ? undefined : parseAddress(text, field);

const isOutbox = (driver: EmailDriver): driver is Outbox =>
  driver.name === 'outbox' && 'list' in driver && 'read' in driver;

function refuseWhenClosed(closing: unknown): void {
  if (closing) throw new EmailClosedError();
}

function renderOptions(given: { data?: unknown; locale?: string } = {}): RenderOptions {
  return { data: (given.data ?? {}) as Readonly<Record<string, unknown>>, locale: given.locale };
}

/** Logs one line, with the addresses masked, and turns a driver's answer into the caller's. */
function report(driver: string, message: Readonly<RenderedEmail>, receipt: SendReceipt): SendEmailResult {
  const { id, previewPath } = receipt;
  const to = message.to.map(maskAddress);
  log.info(
    { template: message.template, id, to, driver, ...(previewPath ? { previewPath } : {}) },
    previewPath ? 'wrote an e-mail to the outbox' : 'sent an e-mail',
  );
  return previewPath === undefined ? { status: 'sent', id, driver } : { status: 'outbox', id, previewPath };
}
