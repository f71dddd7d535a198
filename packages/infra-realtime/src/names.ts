import { RealtimeChannelNameError, RealtimeEventNameError } from './errors.ts';

/** Starts with a letter or a digit, so that no name is `__proto__` and `$` stays free for the module itself. */
const CHANNEL = /^[A-Za-z0-9][A-Za-z0-9.:_\-@=+~/]{0,199}$/;

/** True for a channel name that follows the rules. */
export function isChannelName(name: unknown): name is string {
  return typeof name === 'string' && CHANNEL.test(name);
}

/** Returns a channel name. @throws {@link RealtimeChannelNameError} `E_REALTIME_CHANNEL_NAME` when it breaks the rules. */
export function channelName(name: unknown): string {
  if (!isChannelName(name)) throw new RealtimeChannelNameError(name);
  return name;
}

/** True for an event name the application may use. */
export function isEventName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name.length <= 100 && !name.startsWith('$');
}

/** Returns an event name. @throws {@link RealtimeEventNameError} `E_REALTIME_EVENT_NAME` when it breaks the rules. */
export function eventName(name: unknown): string {
  if (!isEventName(name)) throw new RealtimeEventNameError(name);
  return name;
}

/** The channel on which everything addressed to one user travels. No client can name it. */
export const userChannel = (userId: string): string => `$user:${userId}`;
