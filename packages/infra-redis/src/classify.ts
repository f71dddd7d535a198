import { type InfraError, isInfraError } from './core.ts';
import {
  RedisAuthError,
  RedisReplyError,
  RedisSetupError,
  RedisTimeoutError,
  RedisTlsError,
  RedisUnavailableError,
} from './errors.ts';

/**
 * The error underneath, with nothing but its message and code: a client's errors carry the command that failed, and
 * so the password of a login.
 */
export function cleanCause(thrown: unknown): Error | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { code } = thrown as NodeJS.ErrnoException;
  const clean = new Error(wordsOf(thrown));
  clean.name = thrown.name;
  return typeof code === 'string' ? Object.assign(clean, { code }) : clean;
}

/** The message of an error; of a cluster's, that of the last node it tried; of a transaction's, what was refused in it. */
export function wordsOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'no reason was given';
  const { lastNodeError, previousErrors, code } = thrown as {
    lastNodeError?: unknown;
    previousErrors?: readonly unknown[];
    code?: unknown;
  };
  if (lastNodeError instanceof Error) return wordsOf(lastNodeError);
  const refused = previousErrors?.[0];
  // Where the connection gave up, one error stands for the transaction and for each of its commands.
  if (refused instanceof Error && refused !== thrown) return wordsOf(refused);
  // With several addresses for a host, Node reports a code and no message.
  return thrown.message || (typeof code === 'string' ? code : thrown.name);
}

const AUTH = /\b(WRONGPASS|NOAUTH|invalid (username|password)|without any password configured)/i;
const DATABASE = /DB index is out of range|invalid DB index/i;
const NO_CLUSTER = /cluster support disabled/i;
/** The first byte of a TLS alert or handshake, as the parsers of ioredis 6 and 5 name it. */
const TLS_BYTE = /Unknown RESP type 2[12]\b|got "\\u001[56]"/;
const NOT_TLS = /wrong version number|packet length too long|before secure TLS connection/i;
const NOT_REDIS = /Unknown RESP type|Protocol error, got/;
const CERTIFICATE =
  /^(CERT_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH)/;

/** The coded error of something that trying again will not mend; `undefined` for everything else. */
export function fatalError(thrown: unknown, address: string): InfraError | undefined {
  const words = wordsOf(thrown);
  const cause = cleanCause(thrown);
  const { lastNodeError } = thrown as { lastNodeError?: unknown };
  const { code } = (lastNodeError ?? thrown) as { code?: unknown };
  if (AUTH.test(words)) return new RedisAuthError(address, words, cause);
  if (DATABASE.test(words))
    return new RedisSetupError(address, words, 'Use a smaller number of the database in the URL.', cause);
  if (NO_CLUSTER.test(words))
    return new RedisSetupError(address, words, 'Use redis:// in place of redis+cluster://.', cause);
  if (TLS_BYTE.test(words)) return tlsMismatch(address, 'the server answers with TLS', cause);
  if (NOT_TLS.test(words)) return tlsMismatch(address, words, cause);
  if (NOT_REDIS.test(words))
    return new RedisSetupError(address, 'it speaks another protocol', 'Check the port in the URL.', cause);
  if (typeof code === 'string' && CERTIFICATE.test(code))
    return new RedisTlsError(
      address,
      `${words} (${code})`,
      'Name the certificate authority to trust: `?ca=/path/ca.pem` in the URL, or the option `tls: { ca }`.',
      cause,
    );
  return undefined;
}

/** One side speaks TLS and the other does not. */
export const tlsMismatch = (address: string, problem: string, cause?: Error): RedisTlsError =>
  new RedisTlsError(
    address,
    problem,
    'One side speaks TLS and the other does not: use rediss:// for a TLS port, and redis:// for one without.',
    cause,
  );

/** Replies of a server that will accept the same command later. */
const LATER = /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|READONLY|OOM|NOREPLICAS|UNKILLABLE)\b/;
const GONE =
  /Connection is closed|Cluster isn't ready|Stream isn't writeable|None of startup nodes|refresh slots cache|max retries per request|Command aborted|sentinels are unreachable|Socket timeout/i;
const NETWORK = /^(ECONN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|ENOTFOUND|EAI_)/;

/** What a command came to, as a coded error. Whatever is not the client's own failure is returned as it is. */
export function commandError(
  thrown: unknown,
  at: { address: string; timeout: number; up: boolean },
): unknown {
  if (isInfraError(thrown) || !(thrown instanceof Error)) return thrown;
  const words = wordsOf(thrown);
  const cause = cleanCause(thrown);
  if (thrown.name === 'ReplyError') {
    if (AUTH.test(words)) return new RedisAuthError(at.address, words, cause);
    const help = words.startsWith('MOVED ') ? 'This is a cluster: use redis+cluster:// for it.' : undefined;
    return new RedisReplyError(at.address, words, LATER.test(words), help, cause ?? thrown);
  }
  if (words === 'Command timed out' && at.up) return new RedisTimeoutError(at.address, at.timeout);
  const { code } = thrown as NodeJS.ErrnoException;
  if (words === 'Command timed out' || GONE.test(words) || NETWORK.test(code ?? ''))
    return new RedisUnavailableError(at.address, words, cause);
  return thrown;
}
