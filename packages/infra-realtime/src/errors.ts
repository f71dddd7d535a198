import { InfraError, isInfraError } from './core.ts';

/** Why a connection was closed. 4000–4099: do not come back; 4100–4199: back off; 4200–4299: come back now. */
export const CLOSE_CODES = {
  /** A binary frame (RFC 6455 §7.4.1). */
  unsupported: 1003,
  /** `authenticate` answered null. */
  unauthorized: 4001,
  /** Another client registered under the same id. */
  replaced: 4002,
  /** `disconnectUser`. */
  disconnected: 4003,
  /** It reads slower than it is written to. */
  slow: 4100,
  /** It sends faster than it may. */
  rate: 4101,
  /** Its `send` failed. */
  broken: 4102,
  /** The process shuts down, others go on. */
  draining: 4200,
} as const;

/** A channel's name breaks the rules. */
export class RealtimeChannelNameError extends InfraError {
  constructor(name: unknown) {
    const seen = typeof name === 'string' ? JSON.stringify(name.slice(0, 60)) : typeof name;
    super(`This is no channel name: ${seen}.`, {
      code: 'E_REALTIME_CHANNEL_NAME',
      help: 'Use 1 to 200 characters of A-Z a-z 0-9 . : _ - @ = + ~ /, starting with a letter or a digit.',
    });
  }
}

/** An event's name breaks the rules. */
export class RealtimeEventNameError extends InfraError {
  constructor(name: unknown) {
    const seen = typeof name === 'string' ? JSON.stringify(name.slice(0, 60)) : typeof name;
    super(`This is no event name: ${seen}.`, {
      code: 'E_REALTIME_EVENT_NAME',
      help: 'Use a text of 1 to 100 characters. Names that start with $ are kept for presence and gaps.',
    });
  }
}

/** A channel definition cannot work as written. */
export class RealtimeChannelRuleError extends InfraError {
  constructor(pattern: unknown, what: string) {
    super(`The channel ${JSON.stringify(pattern)} cannot be defined: ${what}.`, {
      code: 'E_REALTIME_CHANNEL_RULE',
      help: "Write a pattern such as 'chat.:room': names divided by dots, a parameter as a whole part.",
    });
  }
}

/** No registered client has this id. */
export class RealtimeClientUnknownError extends InfraError {
  readonly clientId: string;

  constructor(clientId: string) {
    super(`There is no client "${clientId}".`, {
      code: 'E_REALTIME_CLIENT_UNKNOWN',
      help: 'Call registerClient() first. A client whose send() failed has been dropped already.',
    });
    this.clientId = clientId;
  }
}

/** What was registered is no client, or its id is taken and `onDuplicate` is `reject`. */
export class RealtimeClientError extends InfraError {
  constructor(what: string) {
    super(`Cannot register the client: ${what}.`, {
      code: 'E_REALTIME_CLIENT',
      help: 'Give { id, send, close }: an id of 1 to 200 characters that is not in use, and two functions.',
    });
  }
}

/** What should be published has no JSON form. */
export class RealtimePayloadError extends InfraError {
  readonly channel: string;

  constructor(channel: string, event: string, cause: unknown) {
    super(`The data of "${event}" on "${channel}" has no JSON form.`, {
      code: 'E_REALTIME_PAYLOAD',
      help: 'Publish plain data: no BigInt, and nothing that contains itself.',
      cause,
    });
    this.channel = channel;
  }
}

/** The broker did not do what it was asked to. */
export class RealtimeBrokerError extends InfraError {
  readonly channel: string;

  constructor(what: string, channel: string, cause: unknown) {
    super(`The realtime broker could not ${what} "${channel}".`, {
      code: 'E_REALTIME_BROKER',
      retryable: isInfraError(cause) ? cause.retryable : true,
      help: 'See the cause; try again when the broker is reachable.',
      cause,
    });
    this.channel = channel;
  }
}

/** It was used after close(). */
export class RealtimeClosedError extends InfraError {
  constructor(what: 'hub' | 'server') {
    super(`The realtime ${what} is closed.`, {
      code: 'E_REALTIME_CLOSED',
      help: 'Create another one, or close it later.',
    });
  }
}

/** An option of the server cannot be used. */
export class RealtimeOptionError extends InfraError {
  constructor(option: string, what: string, help: string) {
    super(`The realtime server's ${option} ${what}.`, { code: 'E_REALTIME_OPTION', help });
  }
}

/** In production a server must be told which origins may connect. */
export class RealtimeOriginsError extends InfraError {
  constructor() {
    super('The realtime server does not know which origins may connect, and NODE_ENV is production.', {
      code: 'E_REALTIME_ORIGINS',
      help: 'Set REALTIME_ALLOWED_ORIGINS or allowedOrigins, such as https://app.example.com; "self" for the same host alone, "*" for any.',
    });
  }
}

/** The engine's library is not installed, or does not run on this machine. */
export class RealtimeEngineError extends InfraError {
  constructor(engine: string, library: string, cause: unknown, help = `Install it: pnpm add ${library}`) {
    const why = cause === undefined ? 'is not installed' : 'cannot be loaded';
    super(`The realtime engine "${engine}" needs ${library}, which ${why}.`, {
      code: 'E_REALTIME_ENGINE',
      help,
      cause,
    });
  }
}

/** A part of the package that is loaded when it is first used cannot be. */
export class RealtimeLoadError extends InfraError {
  constructor(part: string, cause: unknown) {
    super(`A part of infra-realtime cannot be loaded: ${part}.`, {
      code: 'E_REALTIME_LOAD',
      help: 'Install the package again; a bundler must keep its files apart, or leave it out of the bundle.',
      cause,
    });
  }
}

/** What an import comes to. @throws {@link RealtimeLoadError} `E_REALTIME_LOAD` when it fails. */
export function loading<T>(part: string, imported: Promise<T>): Promise<T> {
  return imported.catch((cause: unknown) => {
    throw new RealtimeLoadError(part, cause);
  });
}
