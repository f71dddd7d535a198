import { formatAddress, parseAddress } from './addresses.ts';
import type { EmailOptions } from './client.ts';
import {
  type Config,
  type ConfigValues,
  defineConfig,
  type Env,
  oneOf,
  type Reader,
  type ReportProblem,
  secret,
  text,
  url,
} from './core.ts';

/** The version in package.json. */
export const VERSION = '1.0.0';

/** The drivers e-mail can be sent through. */
export type EmailDriverName = 'outbox' | 'resend' | 'smtp';

/** Who a message that is written to disk is from, where nobody is named. */
export const OUTBOX_SENDER = 'Outbox <outbox@localhost>';

type Shape = {
  readonly EMAIL_DRIVER: Reader<EmailDriverName | undefined>;
  readonly EMAIL_FROM: Reader<string | undefined>;
  readonly EMAIL_SANDBOX_TO: Reader<string | undefined>;
  readonly EMAIL_TEMPLATES: Reader<string>;
  readonly EMAIL_OUTBOX: Reader<string>;
  readonly RESEND_API_KEY: Reader<string | undefined>;
  readonly RESEND_BASE_URL: Reader<string | undefined>;
  readonly RESEND_WEBHOOK_SECRET: Reader<string | undefined>;
  readonly SMTP_URL: Reader<string | undefined>;
};

/** The values of the variables of e-mail. */
export type EmailValues = ConfigValues<Shape>;

/** The variables of e-mail. */
export const config: Config<Shape> = defineConfig(
  {
    EMAIL_DRIVER: oneOf(['outbox', 'resend', 'smtp'], { optional: true, description: 'where e-mail goes' }),
    EMAIL_FROM: text({
      optional: true,
      description: "the sender, such as 'My App <hello@example.com>'; Resend and SMTP need it",
    }),
    EMAIL_SANDBOX_TO: text({
      optional: true,
      description: 'the one address that gets every e-mail, in place of its recipients',
    }),
    EMAIL_TEMPLATES: text({ default: 'emails', description: "the folder of the application's templates" }),
    EMAIL_OUTBOX: text({ default: '.outbox', description: 'the folder the outbox driver writes to' }),
    RESEND_API_KEY: secret({ optional: true, description: 'the key of Resend; chooses it' }),
    RESEND_BASE_URL: url({
      optional: true,
      protocols: ['https', 'http'],
      description: 'where Resend is reached, for a proxy or a test, in place of https://api.resend.com',
    }),
    RESEND_WEBHOOK_SECRET: secret({
      optional: true,
      description: 'proves that a webhook comes from Resend: whsec_…',
    }),
    SMTP_URL: url({
      optional: true,
      secret: true,
      protocols: ['smtp', 'smtps'],
      description: 'the server that takes mail; chooses SMTP',
    }),
  },
  { package: '@vibeonrails/infra-email', check },
);

/** The driver that the variables choose; undefined when they choose none. */
function chosenDriver(values: EmailValues): EmailDriverName | undefined {
  return values.EMAIL_DRIVER ?? (values.RESEND_API_KEY ? 'resend' : values.SMTP_URL ? 'smtp' : undefined);
}

function check(values: EmailValues, report: ReportProblem): void {
  const { EMAIL_DRIVER, EMAIL_FROM, EMAIL_SANDBOX_TO, RESEND_API_KEY, RESEND_BASE_URL, SMTP_URL } = values;
  if (!EMAIL_DRIVER && RESEND_API_KEY && SMTP_URL)
    report('EMAIL_DRIVER', 'resend or smtp, as both RESEND_API_KEY and SMTP_URL are set', 'missing');
  if (EMAIL_DRIVER === 'resend' && !RESEND_API_KEY)
    report('RESEND_API_KEY', 'the key of Resend, as EMAIL_DRIVER is resend', 'missing');
  if (!EMAIL_DRIVER && RESEND_BASE_URL && !RESEND_API_KEY)
    report('RESEND_API_KEY', 'the key of Resend, as RESEND_BASE_URL is set', 'missing');
  if (EMAIL_DRIVER === 'smtp' && !SMTP_URL)
    report('SMTP_URL', 'the address of a mail server, as EMAIL_DRIVER is smtp', 'missing');
  if (RESEND_API_KEY && !/^[\x21-\x7e]+$/.test(RESEND_API_KEY))
    report('RESEND_API_KEY', 'a key without blanks or line breaks');
  const server = SMTP_URL === undefined ? undefined : readSmtpUrl(SMTP_URL);
  if (typeof server === 'string') report('SMTP_URL', server);
  if (EMAIL_SANDBOX_TO && !isAddress(EMAIL_SANDBOX_TO))
    report('EMAIL_SANDBOX_TO', 'one address, such as qa@example.com');
  const driver = chosenDriver(values);
  if ((driver === 'resend' || driver === 'smtp') && !EMAIL_FROM)
    report('EMAIL_FROM', `a sender such as 'My App <hello@example.com>', as ${driver} delivers`, 'missing');
}

function isAddress(given: string): boolean {
  try {
    return parseAddress(given, 'EMAIL_SANDBOX_TO').email !== '';
  } catch {
    return false;
  }
}

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

/** A server for outgoing mail, as `SMTP_URL` names it. */
export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** True for TLS from the first byte, `smtps:`. */
  readonly secure: boolean;
  readonly user?: string;
  readonly password?: string;
  /** What STARTTLS is on an `smtp:` connection. */
  readonly tls: 'required' | 'optional' | 'off';
  /** The file of the authority that its certificate is from. */
  readonly ca?: string;
  /** The name that its certificate has. */
  readonly servername?: string;
  /** How we call ourselves. */
  readonly name?: string;
  /** Connections that are kept; 0 for one of its own for each message. */
  readonly pool: number;
}

/** What it looks like, for messages. */
export const SMTP_URL_FORM: string =
  "a URL such as 'smtp://user:password@smtp.example.com:587', or smtps:// for TLS from the start";

const PARAMETERS = ['tls', 'ca', 'servername', 'name', 'pool'];
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** Reads an SMTP address; a text that says what was expected when it is none, never the value. */
export function readSmtpUrl(text: string): SmtpServer | string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    !url ||
    !/^smtps?:$/.test(url.protocol) ||
    url.hostname === '' ||
    !/^\/?$/.test(url.pathname) ||
    url.hash
  )
    return SMTP_URL_FORM;
  const unknown = [...url.searchParams.keys()].some((key) => !PARAMETERS.includes(key));
  if (unknown) return `no parameters but ${PARAMETERS.join(', ')} behind the "?"`;
  const [user, password] = [decode(url.username), decode(url.password)];
  if (user === undefined || password === undefined)
    return 'a user and password whose "%" are written as "%25"';
  if ((user === '') !== (password === '')) return 'both a user and a password, or neither';
  const secure = url.protocol === 'smtps:';
  const { tls, ca, servername, name, pool = '0' } = Object.fromEntries(url.searchParams);
  if (tls !== undefined && !/^(?:required|optional|off)$/.test(tls))
    return 'tls to be one of required, optional, off';
  if (secure && tls !== undefined && tls !== 'required') return 'no "tls" with smtps://, which always has it';
  if (!/^(?:true|false|\d{1,3})$/.test(pool)) return 'pool to be a number of connections, or true';
  // A password never crosses a network in the clear unless somebody says so.
  const careful = user !== '' && !LOOPBACK.test(url.hostname) ? 'required' : 'optional';
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port) || (secure ? 465 : 587),
    secure,
    ...(user === '' ? {} : { user, password }),
    tls: (tls as SmtpServer['tls'] | undefined) ?? careful,
    ...(ca ? { ca } : {}),
    ...(servername ? { servername } : {}),
    ...(name ? { name } : {}),
    pool: pool === 'true' ? 5 : Number(pool) || 0,
  };
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
