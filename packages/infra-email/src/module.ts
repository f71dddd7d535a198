import {
  createEmail,
  type Email,
  type EmailOptions,
  type RenderEmailOptions,
  type RenderedContent,
  type SendEmailOptions,
  type SendEmailResult,
  type TemplateName,
} from './client.ts';
import { VERSION } from './config.ts';
import { defineModule, type HealthCheck, type ModuleHandle } from './core.ts';
import { library } from './errors.ts';
import type { EmailEvent, ResendWebhookOptions } from './webhooks.ts';

/** The default sender of this process. */
export const handle: ModuleHandle<Email, EmailOptions> = defineModule<Email, EmailOptions>({
  module: 'email',
  package: '@vibeonrails/infra-email',
  version: VERSION,
  contract: 1,
  create: createEmail,
  async healthCheck(email, signal) {
    await email.check(signal);
    return { status: 'ok', data: { driver: email.driver } };
  },
});

const it = (): Email => handle.instance();

/** The default sender, made from the environment at first use. */
export const email: Email = {
  get driver() {
    return it().driver;
  },
  get outbox() {
    return it().outbox;
  },
  ready: async () => it().ready(),
  close: async () => it().close(),
  check: async (signal) => it().check(signal),
  send: async (template, options) => it().send(template, options),
  render: async (template, options) => it().render(template, options),
};

/**
 * Renders a template and sends it through the default sender.
 *
 * ```ts
 * await sendEmail('welcome', { to: 'user@example.com', data: { name: 'John', appName: 'MyApp' } });
 * ```
 *
 * @throws a coded error, and nothing is sent: `E_EMAIL_TEMPLATE_NOT_FOUND`, `E_EMAIL_DATA`, `E_EMAIL_ADDRESS` and the
 * others of the README's table; or what the driver rejects with.
 */
export async function sendEmail<T extends TemplateName>(
  template: T,
  options: SendEmailOptions<T>,
): Promise<SendEmailResult> {
  return it().send(template, options);
}

/** Renders a template with the default sender, and sends nothing. Throws as {@link sendEmail} does. */
export async function renderEmail<T extends TemplateName>(
  template: T,
  options?: RenderEmailOptions<T>,
): Promise<RenderedContent> {
  return it().render(template, options);
}

/**
 * Makes the default sender from `options`, before its first use.
 *
 * @throws {@link AlreadyConfiguredError} `E_EMAIL_CONFIGURED` when it is in use, unless `replace` is true.
 */
export function configureEmail(options: EmailOptions & { replace?: boolean }): Email {
  return handle.configure(options);
}

/** Checks the default sender's driver. For `registerHealthCheck('email', emailHealthCheck())`. */
export function emailHealthCheck(): HealthCheck {
  return handle.healthCheck;
}

/**
 * The event in a webhook of Resend: what became of an e-mail. The request must be unread, since the signature is over
 * its bytes. Resend delivers an event again until it is answered with 200, so act once for each `id`.
 *
 * ```ts
 * const event = await verifyResendWebhook(request);
 * if (event.type === 'bounced' && event.permanent) await neverAgain(event.to);
 * ```
 *
 * @throws {@link WebhookError} `E_EMAIL_WEBHOOK` when its signature is missing, wrong or of another time; `E_EMAIL_OPTION`
 *   without a secret.
 */
export async function verifyResendWebhook(
  request: Request,
  options: ResendWebhookOptions = {},
): Promise<EmailEvent> {
  const { verify } = await library('@vibeonrails/infra-email', () => import('./webhooks.ts'));
  return verify(request, options);
}
