import { InfraError } from './core.ts';

/** No address, or one that cannot be understood. It never holds the address, which may contain a password. */
export class RedisUrlError extends InfraError {
  constructor(problem: string, help: string) {
    super(`This is no Redis address: ${problem}.`, { code: 'E_REDIS_URL', help });
  }
}

/** The server was not reached, or was not ready, within the time for connecting. Trying goes on in the background. */
export class RedisConnectError extends InfraError {
  readonly address: string;

  constructor(address: string, problem: string, cause?: Error) {
    super(`Cannot connect to Redis at ${address}: ${problem}.`, {
      code: 'E_REDIS_CONNECT',
      retryable: true,
      help: `Check that the server runs${address.startsWith('rediss') ? ' and speaks TLS' : ''}, and its host and port.`,
      cause,
    });
    this.address = address;
  }
}

/** The server does not accept the user name or password, or wants one and got none. */
export class RedisAuthError extends InfraError {
  readonly address: string;

  constructor(address: string, reply: string, cause?: Error) {
    super(`Redis at ${address} refuses the login: ${reply.replace(/\.+$/, '')}.`, {
      code: 'E_REDIS_AUTH',
      help: 'Check the user name and password in the URL: redis://user:password@host. Write special characters percent-encoded.',
      cause,
    });
    this.address = address;
  }
}

/** The encrypted connection cannot be made: a certificate that is not trusted, or one side without TLS. */
export class RedisTlsError extends InfraError {
  readonly address: string;

  constructor(address: string, problem: string, help: string, cause?: Error) {
    super(`No TLS connection to Redis at ${address}: ${problem}.`, { code: 'E_REDIS_TLS', help, cause });
    this.address = address;
  }
}

/** The server is there but not what the URL says: another database number, or cluster where there is none. */
export class RedisSetupError extends InfraError {
  readonly address: string;

  constructor(address: string, reply: string, help: string, cause?: Error) {
    super(`Redis at ${address} is set up otherwise: ${reply}.`, { code: 'E_REDIS_SETUP', help, cause });
    this.address = address;
  }
}

/** The connection is down at the moment. It comes back by itself. */
export class RedisUnavailableError extends InfraError {
  readonly address: string;

  constructor(address: string, problem: string, cause?: Error) {
    super(`Redis at ${address} is not reachable: ${problem}.`, {
      code: 'E_REDIS_UNAVAILABLE',
      retryable: true,
      help: 'The connection is tried again by itself.',
      cause,
    });
    this.address = address;
  }
}

/** The server is connected and did not answer in time. Whether it did the work is not known. */
export class RedisTimeoutError extends InfraError {
  readonly address: string;

  constructor(address: string, timeout: number) {
    super(`Redis at ${address} did not answer within ${timeout} ms.`, {
      code: 'E_REDIS_TIMEOUT',
      retryable: true,
      help: 'The command may have been carried out all the same: repeat only what can be repeated.',
    });
    this.address = address;
  }
}

/** The server understood the command and refused it. */
export class RedisReplyError extends InfraError {
  readonly address: string;
  /** The first word of the reply: `WRONGTYPE`, `NOSCRIPT`, `OOM`. */
  readonly reply: string;

  constructor(address: string, reply: string, retryable: boolean, help: string | undefined, cause: Error) {
    super(`Redis at ${address} refuses the command: ${reply.replace(/\.+$/, '')}.`, {
      code: 'E_REDIS_REPLY',
      retryable,
      ...(help === undefined ? {} : { help }),
      cause,
    });
    this.address = address;
    this.reply = /^[A-Z]+/.exec(reply)?.[0] ?? 'ERR';
  }
}

/** A client of the application's that cannot be used, or a library that is not there. */
export class RedisClientError extends InfraError {
  constructor(problem: string, help: string, cause?: unknown) {
    super(`This Redis client cannot be used: ${problem}.`, { code: 'E_REDIS_CLIENT', help, cause });
  }
}

/** The client was asked for before there is one. */
export class RedisNotReadyError extends InfraError {
  constructor(address: string) {
    super(`The connection to Redis at ${address} has no client yet.`, {
      code: 'E_REDIS_NOT_READY',
      help: 'Await ready() first, or use run(), which waits for it.',
    });
  }
}

/** The connection was used after close(). */
export class RedisClosedError extends InfraError {
  constructor(address: string) {
    super(`The connection to Redis at ${address} is closed.`, {
      code: 'E_REDIS_CLOSED',
      help: 'Make another one, or close it later.',
    });
  }
}
