import { maskAddress, parseAddress } from './addresses.ts';
import type { RenderEmailOptions, RenderedContent, SendEmailOptions, SendEmailResult } from './client.ts';
import type { EmailDriverName, EmailValues } from './config.ts';
import { readSmtpUrl, SMTP_URL_FORM } from './config.ts';
import { logger, operation } from './core.ts';
import type { Address, EmailDriver, RenderedEmail, SendReceipt } from './driver.ts';
import type { DeliveryLimits } from './drivers/attempts.ts';
import { type Outbox, type OutboxOptions, outboxDriver } from './drivers/outbox.ts';
import { resendDriver } from './drivers/resend.ts';
import { smtpDriver } from './drivers/smtp.ts';
import { EmailOptionError, FromRequiredError } from './errors.ts';
import { composeMessage, toIdempotencyKey } from './message.ts';
import { sandboxed } from './sandbox.ts';
import { createTemplates, type RenderOptions, type TemplateEngineOptions } from './templates.ts';

/** All that options and variables come to, checked. */
export interface DeliverySettings {
  readonly driver: EmailDriverName | EmailDriver;
  readonly values: EmailValues;
  readonly from: Address | undefined;
  readonly sandbox: Address | undefined;
  readonly limits: DeliveryLimits;
  readonly templates: TemplateEngineOptions;
  readonly outbox: OutboxOptions;
}

/** What a sender does when it is used: it renders, and hands over to its driver. */
export interface Delivery extends Pick<EmailDriver, 'check' | 'close' | 'ready'> {
  send(template: string, given: SendEmailOptions): Promise<SendEmailResult>;
  render(template: string, given: RenderEmailOptions | undefined): Promise<RenderedContent>;
  /** With the driver of that name. */
  readonly outbox: Outbox | undefined;
}

const sends = operation('email.send');
const log = logger.child({ module: 'email' });

/** Makes the templates and the driver. Neither has loaded a library or opened a connection yet. */
export function openDelivery(settings: DeliverySettings): Delivery {
  const { from, sandbox } = settings;
  const outbox = settings.driver === 'outbox' ? outboxDriver(settings.outbox) : undefined;
  const driver = outbox ?? transportOf(settings);
  const templates = createTemplates(settings.templates);

  const send: Delivery['send'] = async (template, given) => {
    const signal = given.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    const idempotencyKey = toIdempotencyKey(given.idempotencyKey);
    if (from === undefined && given.from === undefined) throw new FromRequiredError(driver.name);
    const rendered = await templates.render(template, renderOptions(given));
    const sender = from ?? parseAddress(given.from ?? '', 'from');
    const composed = composeMessage(template, rendered, given, sender);
    const message = sandbox ? sandboxed(composed, sandbox) : composed;
    const receipt = await sends.trace(() => driver.send(message, { idempotencyKey, signal }), {
      template,
      transport: driver.name,
      recipients: message.to.length + message.cc.length + message.bcc.length,
    });
    return report(driver.name, message, receipt);
  };

  return {
    send,
    async render(template, given) {
      const { subject, html, text, findings } = await templates.render(template, renderOptions(given));
      return { subject, html, text, findings };
    },
    outbox,
    async ready() {
      await Promise.all([driver.ready(), templates.ready()]);
    },
    check: (signal) => driver.check(signal),
    close: () => driver.close(),
  };
}

/** The driver that delivers. */
function transportOf({ driver, values, limits }: DeliverySettings): EmailDriver {
  if (typeof driver === 'object') return driver;
  if (driver === 'resend') {
    const baseUrl = (values.RESEND_BASE_URL ?? 'https://api.resend.com').replace(/\/+$/, '');
    return resendDriver({ ...limits, apiKey: values.RESEND_API_KEY ?? '', baseUrl });
  }
  const server = readSmtpUrl(values.SMTP_URL ?? '');
  if (typeof server === 'string') throw new EmailOptionError('smtp.url', undefined, SMTP_URL_FORM);
  return smtpDriver({ ...limits, server });
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
