import { InfraError } from './core.ts';

/** A place in a template: `emails/welcome.md:7`. */
export interface TemplateSite {
  readonly file: string;
  /** 1 for the first. */
  readonly line: number;
}

const at = ({ file, line }: TemplateSite): string => `${file}:${line}`;
const shown = (value: unknown): string =>
  typeof value === 'string'
    ? JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
    : typeof value;
const didYouMean = (closest: string | undefined): string => (closest ? ` Did you mean "${closest}"?` : '');

/** No folder holds a template, or a layout, of this name. */
export class TemplateNotFoundError extends InfraError {
  readonly template: string;
  /** The paths that were tried, in order. */
  readonly searched: readonly string[];

  constructor(kind: 'template' | 'layout', template: string, searched: readonly string[], closest?: string) {
    const paths = searched.map((path) => `\n  ${path}`).join('');
    super(`There is no e-mail ${kind} "${template}".${didYouMean(closest)} Looked for:${paths}\n`, {
      code: 'E_EMAIL_TEMPLATE_NOT_FOUND',
      help: 'Create the first of these files, or set EMAIL_TEMPLATES to the folder that holds it.',
    });
    this.template = template;
    this.searched = searched;
  }
}

/** A text that can name no template: it must never leave the folder of templates. */
export class TemplateNameError extends InfraError {
  constructor(name: unknown) {
    super(`This is no template name: ${shown(name)}.`, {
      code: 'E_EMAIL_TEMPLATE_NAME',
      help: 'Use letters, digits, "-" and "_", with "/" for a folder: "welcome", "billing/receipt".',
    });
  }
}

/** A template that cannot be used as it is written. */
export class TemplateSyntaxError extends InfraError {
  readonly site: TemplateSite;

  constructor(site: TemplateSite, problem: string, help: string, cause?: unknown) {
    super(`${at(site)}: ${problem}.`, { code: 'E_EMAIL_TEMPLATE_SYNTAX', help, cause });
    this.site = site;
  }
}

/** A variable that a template uses and the data does not hold. */
export interface MissingVariable extends TemplateSite {
  /** As a path: `items[2].price`. */
  readonly variable: string;
  /** The name in the data that comes closest. */
  readonly closest?: string;
}

/** A list of thousands can lack as many variables: the message names the first, `missing` holds all. */
const MAX_LINES = 20;

/** Every variable that a template uses and the data does not hold, at once. */
export class TemplateDataError extends InfraError {
  readonly missing: readonly MissingVariable[];

  constructor(template: string, missing: readonly MissingVariable[]) {
    const lines = missing
      .slice(0, MAX_LINES)
      .map(({ variable, closest, ...site }) => `\n  ${variable} (${at(site)})${didYouMean(closest)}`);
    const count = missing.length === 1 ? 'a variable' : `${missing.length} variables`;
    const more = missing.length > MAX_LINES ? `\n  and ${missing.length - MAX_LINES} more` : '';
    super(`The data for the e-mail "${template}" lacks ${count}:${lines.join('')}${more}\n`, {
      code: 'E_EMAIL_DATA',
      help: 'Pass them in `data`, or write `{{ name | default("…") }}` or `{% if name is defined %}` in the template.',
    });
    this.missing = missing;
  }
}

/** A value that has no one form as text: an object, a list, a function, a date. */
export class TemplateValueError extends InfraError {
  constructor(site: TemplateSite, expression: string, what: string) {
    super(`${at(site)}: {{ ${expression} }} is ${what}, which has no form as text.`, {
      code: 'E_EMAIL_VALUE',
      help: 'Pass a text or a number; format dates and amounts before they reach the template.',
    });
  }
}

/** A link or image address that a reader must not be sent to, or cannot follow. */
export class UnsafeUrlError extends InfraError {
  constructor(site: TemplateSite, expression: string, url: string, problem: string) {
    super(`${at(site)}: {{ ${expression} }} makes the address ${shown(url)}, which ${problem}.`, {
      code: 'E_EMAIL_URL',
      help: 'Pass an absolute address that starts with https://, http://, mailto: or tel: (cid: for an image).',
    });
  }
}

/** A text that is no e-mail address. */
export class AddressError extends InfraError {
  constructor(field: string, value: unknown, problem: string) {
    super(`"${field}" holds ${shown(value)}, which ${problem}.`, {
      code: 'E_EMAIL_ADDRESS',
      help: "Use 'ada@example.com', 'Ada Lovelace <ada@example.com>' or { name, email }, one address each.",
    });
  }
}

/** No recipient, or more than one message may have. */
export class RecipientsError extends InfraError {
  constructor(count: number, max: number) {
    super(`The e-mail has ${count === 0 ? 'no recipient' : `${count} recipients`}.`, {
      code: 'E_EMAIL_RECIPIENTS',
      help: `Name 1 to ${max} over to, cc and bcc, at least one of them in to.`,
    });
  }
}

/** A header that must not be sent, or one that has an option of its own. */
export class HeaderError extends InfraError {
  constructor(name: string, problem: string, help: string) {
    super(`The header ${shown(name)} ${problem}.`, { code: 'E_EMAIL_HEADER', help });
  }
}

/** A tag, an idempotency key or a locale of the wrong form. */
export class EmailOptionError extends InfraError {
  constructor(option: string, value: unknown, help: string) {
    super(`The option "${option}" holds ${shown(value)}, which it cannot.`, { code: 'E_EMAIL_OPTION', help });
  }
}

/** An attachment that cannot be sent. */
export class AttachmentError extends InfraError {
  constructor(filename: unknown, problem: string, help: string) {
    super(`The attachment ${shown(filename)} ${problem}.`, { code: 'E_EMAIL_ATTACHMENT', help });
  }
}

/** Nobody said who the e-mail is from, and the driver really delivers. */
export class FromRequiredError extends InfraError {
  constructor(driver: string) {
    super(`The e-mail has no sender, and the ${driver} driver has none of its own.`, {
      code: 'E_EMAIL_FROM_REQUIRED',
      help: "Set EMAIL_FROM, such as 'My App <hello@example.com>', or pass `from`.",
    });
  }
}

/** The idempotency key was used for another message. */
export class IdempotencyConflictError extends InfraError {
  constructor(key: string) {
    super(`The idempotency key ${shown(key)} was used for a different e-mail.`, {
      code: 'E_EMAIL_IDEMPOTENCY',
      help: 'Use one key per message: a retry must send the same content, another e-mail needs another key.',
    });
  }
}

/** The outbox folder cannot be used, or holds no such message. */
export class OutboxError extends InfraError {
  constructor(problem: string, cause?: unknown) {
    super(problem, {
      code: 'E_EMAIL_OUTBOX',
      help: 'EMAIL_OUTBOX names the folder that outgoing e-mail is written to; the process must be able to write there.',
      cause,
    });
  }
}

/** A library that is needed is not installed, or not for this machine. */
export class LibraryError extends InfraError {
  constructor(name: string, neededBy: string, install: string | undefined, cause: unknown) {
    super(`${name}, which ${neededBy} needs, cannot be loaded.`, {
      code: 'E_EMAIL_LIBRARY',
      help: install
        ? `Install it: ${install}`
        : 'Install again on the machine that runs it, with optional dependencies: one of them is made for each kind of machine.',
      cause,
    });
  }
}

/** A request that does not prove that it comes from Resend. Answer it with 400; who really sends comes again. */
export class WebhookError extends InfraError {
  constructor(problem: string, cause?: unknown) {
    super(`The webhook ${problem}.`, {
      code: 'E_EMAIL_WEBHOOK',
      help: "Compare RESEND_WEBHOOK_SECRET with the endpoint's at Resend, and this machine's clock; pass the request unread, its body as it came.",
      cause,
    });
  }
}

/** The sender was used after close(). */
export class EmailClosedError extends InfraError {
  constructor() {
    super('The e-mail sender is closed.', {
      code: 'E_EMAIL_CLOSED',
      help: 'Create another one, or close it later.',
    });
  }
}

/** Loads a library. @throws {@link LibraryError} `E_EMAIL_LIBRARY` when it is not there, or not for this machine. */
export async function library<T>(
  name: string,
  load: () => Promise<T>,
  { neededBy = 'e-mail', install }: { neededBy?: string; install?: string } = {},
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw new LibraryError(name, neededBy, install, error);
  }
}
