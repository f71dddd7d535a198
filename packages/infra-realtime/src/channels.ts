import type { ChannelDefinition, ChannelName, ChannelOptions, ChannelParams } from './channel-types.ts';
import { isSchema, type Schema, type SchemaOutput } from './core.ts';
import type { Position } from './driver.ts';
import { RealtimeChannelNameError, RealtimeChannelRuleError, RealtimeEventNameError } from './errors.ts';

/**
 * Defines a kind of channel: what it carries, who may subscribe and publish.
 *
 * ```ts
 * const chat = channel('chat.:room', {
 *   schema: { message: z.object({ text: z.string().max(500) }) },
 *   clientEvents: ['message'],
 *   authorize: ({ identity }, { room }) => isMember(identity.userId, room),
 * });
 * await publish(chat.name({ room: '42' }), 'message', { text: 'hello' });
 * ```
 *
 * @throws {@link RealtimeChannelRuleError} `E_REALTIME_CHANNEL_RULE` when it cannot work as written.
 */
export function channel<
  const P extends string,
  const S extends Readonly<Record<string, Schema>> = Readonly<Record<string, Schema>>,
>(
  pattern: P,
  options: ChannelOptions<P, S> = {},
): ChannelDefinition<P, { -readonly [K in keyof S]: SchemaOutput<S[K]> }> {
  const parts = readPattern(pattern);
  const schema = readSchema(pattern, options.schema ?? {});
  const clientEvents = new Set<string>(options.clientEvents);
  for (const event of clientEvents)
    if (!schema.has(event))
      throw new RealtimeChannelRuleError(pattern, `clientEvents names "${event}", which has no schema`);
  const { authorize, presence = false, onSlow = 'close' } = options;

  return {
    pattern,
    schema,
    clientEvents,
    presence,
    onSlow,
    name(...[params]) {
      const values = (params ?? {}) as Record<string, string>;
      const name = parts.map((part) => (part.param ? values[part.text] : part.text)).join('.');
      if (!isChannelName(name) || !matchParts(parts, name)) throw new RealtimeChannelNameError(name);
      return name as ChannelName<never>;
    },
    match: (name) => matchParts(parts, name),
    authorize: (context, params) =>
      authorize?.(context, params as ChannelParams<P>) ?? authorize === undefined,
  };
}

interface Part {
  readonly param: boolean;
  readonly text: string;
}

function readPattern(pattern: string): readonly Part[] {
  const parts = typeof pattern === 'string' ? pattern.split('.') : [];
  const names = new Set<string>();
  if (!isChannelName(parts.map((part) => part.replace(/^:/, '')).join('.')))
    throw new RealtimeChannelRuleError(pattern, 'its fixed parts make no channel name');
  return parts.map((part) => {
    if (part === '') throw new RealtimeChannelRuleError(pattern, 'a part is empty');
    if (!part.includes(':')) return { param: false, text: part };
    const text = part.slice(1);
    if (!/^:[A-Za-z]\w*$/.test(part))
      throw new RealtimeChannelRuleError(pattern, `"${part}" is no parameter`);
    if (names.has(text))
      throw new RealtimeChannelRuleError(pattern, `the parameter "${text}" is there twice`);
    names.add(text);
    return { param: true, text };
  });
}

function readSchema(pattern: string, given: Readonly<Record<string, Schema>>): ReadonlyMap<string, Schema> {
  for (const [event, schema] of Object.entries(given)) {
    if (!isEventName(event)) throw new RealtimeChannelRuleError(pattern, `"${event}" is no event name`);
    if (!isSchema(schema))
      throw new RealtimeChannelRuleError(pattern, `the schema of "${event}" is no Standard Schema`);
  }
  return new Map(Object.entries(given));
}

function matchParts(parts: readonly Part[], name: string): Readonly<Record<string, string>> | undefined {
  const given = name.split('.');
  if (given.length !== parts.length) return undefined;
  const params: Record<string, string> = Object.create(null);
  for (const [i, part] of parts.entries()) {
    const value = given[i] ?? '';
    if (part.param ? value === '' : value !== part.text) return undefined;
    if (part.param) params[part.text] = value;
  }
  return params;
}

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
function isEventName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name.length <= 100 && !name.startsWith('$');
}

/** Returns an event name. @throws {@link RealtimeEventNameError} `E_REALTIME_EVENT_NAME` when it breaks the rules. */
export function eventName(name: unknown): string {
  if (!isEventName(name)) throw new RealtimeEventNameError(name);
  return name;
}

/** The channel on which everything addressed to one user travels. No client can name it. */
export const userChannel = (userId: string): string => `$user:${userId}`;

/** A push as text. @throws what `JSON.stringify` throws. */
export function pushFrame(channel: string | undefined, event: string, data: unknown): string {
  return JSON.stringify({ ch: channel, ev: event, d: data });
}

/** A push with its place in the channel's history. It is spliced in, so that the data is serialised once. */
export function withPosition(frame: string, position: Position | undefined): string {
  if (!position) return frame;
  return `${frame.slice(0, -1)},"o":${position.offset},"e":${JSON.stringify(position.epoch)}}`;
}
