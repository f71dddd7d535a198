import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { type ChannelName, type ChannelParams, channel, type EventsOf } from '../src/index.ts';

describe('a pattern', () => {
  const chat = channel('team.:team.chat.:room', { schema: { message: z.object({ at: z.coerce.number() }) } });

  test('makes names from parameters and reads them back', () => {
    const name = chat.name({ team: 'a', room: 'x:1' });
    expect(name).toBe('team.a.chat.x:1');
    expect(chat.match(name)).toEqual({ team: 'a', room: 'x:1' });
  });

  test.each([['team.a.chat'], ['team.a.chat.b.c'], ['team.a.talk.b'], ['team..chat.b'], ['']])(
    'does not match %j',
    (name) => {
      expect(chat.match(name)).toBeUndefined();
    },
  );

  test('keeps parameters apart from what every object has', () => {
    expect(Object.getPrototypeOf(chat.match('team.a.chat.b'))).toBeNull();
  });

  test.each([['a.b'], [''], ['a b'], [undefined]])('makes no name of the parameter %j', (room) => {
    expect(() => chat.name({ team: 'a', room: room as string })).toThrow(
      expect.objectContaining({ code: 'E_REALTIME_CHANNEL_NAME' }),
    );
  });

  test('without parameters is its own name', () => {
    expect(channel('feed').name()).toBe('feed');
  });

  test.each([
    ['an empty pattern', '', {}],
    ['a pattern that is no text', 5, {}],
    ['an empty part', 'a..b', {}],
    ['a parameter inside a part', 'room-:id', {}],
    ['a parameter without a name', 'a.:', {}],
    ['a parameter that is there twice', ':a.:a', {}],
    ['an event name of the module', 'a', { schema: { $join: z.string() } }],
    ['a schema that is none', 'a', { schema: { e: {} } }],
    ['a client event without a schema', 'a', { clientEvents: ['e'] }],
  ])('is refused with %s', (_, pattern, options) => {
    expect(() => channel(pattern as string, options as object)).toThrow(
      expect.objectContaining({ code: 'E_REALTIME_CHANNEL_RULE' }),
    );
  });

  test('knows its parameters and events', () => {
    expectTypeOf<ChannelParams<'a.:b.c.:d'>>().branded.toEqualTypeOf<{
      readonly b: string;
      readonly d: string;
    }>();
    expectTypeOf<EventsOf<typeof chat>>().toEqualTypeOf<{ message: { at: number } }>();
    expectTypeOf(chat.name({ team: 'a', room: 'b' })).toExtend<ChannelName<{ message: { at: number } }>>();
  });
});
