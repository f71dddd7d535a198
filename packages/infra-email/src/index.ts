export type { AddressInput } from './addresses.ts';
export {
  createEmail,
  type DataOption,
  type Email,
  type EmailOptions,
  type EmailTemplates,
  type RenderEmailOptions,
  type RenderedContent,
  type SendEmailOptions,
  type SendEmailResult,
  type TemplateData,
  type TemplateName,
} from './client.ts';
export type { EmailDriverName } from './config.ts';
export { type DeliveryCode, DeliveryError, type DeliveryErrorOptions } from './delivery-errors.ts';
export type {
  Address,
  BatchReceipt,
  EmailDriver,
  MessageAttachment,
  RenderedEmail,
  SendContext,
  SendReceipt,
} from './driver.ts';
export type { Outbox, OutboxMessage } from './drivers/outbox.ts';
export type { OutboxEntry } from './drivers/outbox-files.ts';
export {
  AddressError,
  AttachmentError,
  EmailClosedError,
  EmailOptionError,
  FromRequiredError,
  HeaderError,
  IdempotencyConflictError,
  LibraryError,
  type MissingVariable,
  OutboxError,
  RecipientsError,
  TemplateDataError,
  TemplateNameError,
  TemplateNotFoundError,
  type TemplateSite,
  TemplateSyntaxError,
  TemplateValueError,
  UnsafeUrlError,
  WebhookError,
} from './errors.ts';
export type { Attachment, EnvelopeOptions } from './message.ts';
export {
  configureEmail,
  email,
  emailHealthCheck,
  renderEmail,
  sendEmail,
  verifyResendWebhook,
} from './module.ts';
export type { Finding } from './template/findings.ts';
export type { EmailEvent, ResendWebhookOptions } from './webhooks.ts';
