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
