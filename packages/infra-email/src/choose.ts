import { chooseDriver, type Env, systemClock, toMs } from '@vibeonrails/infra-core';
import { formatAddress, parseAddress } from './addresses.ts';
import type { EmailOptions } from './client.ts';
import { config, type EmailDriverName, type EmailValues } from './config.ts';
import type { EmailDriver } from './driver.ts';
import { outboxDriver } from './drivers/outbox.ts';
import { resendDriver } from './drivers/resend.ts';
import { smtpDriver } from './drivers/smtp.ts';
import { readSmtpUrl, SMTP_URL_FORM } from './drivers/smtp-url.ts';
import { EmailOptionError } from './errors.ts';

/** The variables, with the options that stand for some of them in their places: one set of rules for both. */
export function readValues(options: EmailOptions): EmailValues {
  const { driver, resend, smtp, from, sandboxTo, env = process.env } = options;
  const sender = from === undefined ? undefined : formatAddress(parseAddress(from, 'from'));
  const sandbox = sandboxTo === undefined ? undefined : formatAddress(parseAddress(sandboxTo, 'sandboxTo'));
  const given: Env = {
    EMAIL_DRIVER: typeof driver === 'string' ? driver : undefined,
    EMAIL_FROM: sender,
    EMAIL_SANDBOX_TO: sandbox,
    RESEND_API_KEY: resend?.apiKey,
    RESEND_BASE_URL: resend?.baseUrl,
    SMTP_URL: smtp?.url,
  };
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  // A driver of the application's own needs none of what chooses one of ours.
  const own = typeof driver === 'object' ? { EMAIL_DRIVER: 'outbox' } : {};
  return config.read({ ...env, ...Object.fromEntries(set), ...own });
}

/** Makes the driver that options and variables choose. */
export function makeDriver(options: EmailOptions, values: EmailValues): EmailDriver {
  if (typeof options.driver === 'object') return options.driver;
  const clock = options.clock ?? systemClock;
  const limits = {
    clock,
    timeout: toMs(options.timeout ?? '10s'),
    deadline: toMs(options.deadline ?? '30s'),
  };
  const name = chooseDriver<EmailDriverName>({
    module: 'email',
    variable: values.EMAIL_DRIVER,
    present: { resend: Boolean(values.RESEND_API_KEY), smtp: Boolean(values.SMTP_URL) },
    embedded: 'outbox',
    inProduction: 'refuse',
    help: 'Set RESEND_API_KEY or SMTP_URL, and EMAIL_FROM. EMAIL_DRIVER=outbox says that e-mail is meant to be written to disk and not delivered.',
    env: options.env,
  });
  if (name === 'resend') {
    const baseUrl = (values.RESEND_BASE_URL ?? 'https://api.resend.com').replace(/\/+$/, '');
    return resendDriver({ ...limits, apiKey: values.RESEND_API_KEY ?? '', baseUrl });
  }
  if (name === 'smtp') {
    const server = readSmtpUrl(values.SMTP_URL ?? '');
    if (typeof server === 'string') throw new EmailOptionError('smtp.url', undefined, SMTP_URL_FORM);
    return smtpDriver({ ...limits, server });
  }
  return outboxDriver({
    folder: options.outbox ?? values.EMAIL_OUTBOX,
    ...(options.keep === undefined ? {} : { keep: options.keep }),
    clock,
  });
}
