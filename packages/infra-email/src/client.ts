import { resolve } from 'node:path';
import { type AddressInput, parseAddress } from './addresses.ts';
import { type EmailDriverName, type EmailValues, OUTBOX_SENDER, readValues } from './config.ts';
import {
  type Clock,
  chooseDriver,
  type Duration,
  type Env,
  type ModuleInstance,
  once,
  onShutdown,
  systemClock,
  toMs,
} from './core.ts';
import type { Delivery, DeliverySettings } from './delivery.ts';
import type { Address, EmailDriver } from './driver.ts';
import type { Outbox } from './drivers/outbox.ts';
import { EmailClosedError, library } from './errors.ts';
import type { EnvelopeOptions } from './message.ts';
import type { Finding } from './template/findings.ts';

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

/**
 * Makes a sender of its own, independent of the default one. What it does loads when it is first used, or by `ready()`.
 *
 * @throws {@link DriverRequiredError} `E_EMAIL_DRIVER_REQUIRED` in production when nothing chose a driver.
 * @throws {@link ConfigError} `E_CONFIG` when one of its variables holds something else.
 */
export function createEmail(options: EmailOptions = {}): Email {
  const settings = settingsOf(options);
  const { driver } = settings;
  const open = once(async () => {
    const { openDelivery } = await library('@vibeonrails/infra-email', () => import('./delivery.ts'));
    return openDelivery(settings);
  });
  const underWay = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;
  const forgetHook = onShutdown('email', () => close());
  const use = async (): Promise<Delivery> => {
    if (closing) throw new EmailClosedError();
    return open();
  };
  function close(): Promise<void> {
    closing ??= (async () => {
      forgetHook();
      await Promise.allSettled(underWay);
      const opened = await open.done()?.catch(() => undefined);
      await (opened ?? (typeof driver === 'object' ? driver : undefined))?.close();
    })();
    return closing;
  }

  const outbox = async (): Promise<Outbox> => (await open()).outbox as Outbox;
  const messages: Outbox = {
    list: async (given) => (await outbox()).list(given),
    read: async (id) => (await outbox()).read(id),
  };

  return {
    driver: typeof driver === 'object' ? driver.name : driver,
    outbox: driver === 'outbox' ? messages : undefined,
    ready: async () => (await use()).ready(),
    close,
    check: async (signal) => (await use()).check(signal),
    render: async (template, given) => (await use()).render(template, given),
    send: async (template, given) => {
      const sending = use().then((delivery) => delivery.send(template, given));
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

/** All that can be wrong with options and variables is found here, before anything is loaded. */
function settingsOf(options: EmailOptions): DeliverySettings {
  const values = readValues(options);
  const { clock = systemClock, env = process.env, keep, locale } = options;
  const timeout = toMs(options.timeout ?? '10s');
  const deadline = toMs(options.deadline ?? '30s');
  const driver = typeof options.driver === 'object' ? options.driver : chosenDriver(values, env);
  const ownSender =
    driver === 'outbox' ? OUTBOX_SENDER : typeof driver === 'object' ? driver.defaultFrom : undefined;
  return {
    driver,
    values,
    from: toAddress(values.EMAIL_FROM ?? ownSender, 'from'),
    // A driver with a sender of its own delivers to nobody.
    sandbox: ownSender === undefined ? toAddress(values.EMAIL_SANDBOX_TO, 'sandboxTo') : undefined,
    limits: { clock, timeout, deadline },
    templates: {
      folder: resolve(options.templates ?? values.EMAIL_TEMPLATES),
      ...(locale === undefined ? {} : { locale }),
      reload: options.reload ?? env.NODE_ENV !== 'production',
    },
    outbox: {
      folder: resolve(options.outbox ?? values.EMAIL_OUTBOX),
      ...(keep === undefined ? {} : { keep }),
      clock,
    },
  };
}

const chosenDriver = (values: EmailValues, env: Env): EmailDriverName =>
  chooseDriver<EmailDriverName>({
    module: 'email',
    variable: values.EMAIL_DRIVER,
    present: { resend: Boolean(values.RESEND_API_KEY), smtp: Boolean(values.SMTP_URL) },
    embedded: 'outbox',
    inProduction: 'refuse',
    help: 'Set RESEND_API_KEY or SMTP_URL, and EMAIL_FROM. EMAIL_DRIVER=outbox says that e-mail is meant to be written to disk and not delivered.',
    env,
  });

const toAddress = (text: string | undefined, field: string): Address | undefined =>
  text === undefined ? undefined : parseAddress(text, field);
