import { randomBytes } from 'node:crypto';
import { type TemplateSite, TemplateValueError } from '../errors.ts';

/** A value on its way into an e-mail. In its place stands a token until everything has been parsed. */
export interface Slot {
  readonly text: string;
  /** True when the template has put it through `urlencode`. */
  readonly encoded: boolean;
  readonly site: TemplateSite;
  /** As written in the template, for messages: `user.name`. */
  readonly expression: string;
}

/**
 * Starts every token. Drawn once per process, so that no data can hold a token on purpose, and made of letters and
 * digits alone, so that a token is a plain word to Markdown, HTML and CSS.
 */
const MARK = `q${BigInt(`0x${randomBytes(12).toString('hex')}`).toString(32)}q`;

/** Finds tokens: the first group is the slot's number. */
export const TOKENS: RegExp = new RegExp(`${MARK}(\\d+)z`, 'g');

/** The number of the first slot whose token a text holds. */
export function firstSlotIn(text: string): number | undefined {
  const [, index] = new RegExp(TOKENS.source).exec(text) ?? [];
  return index === undefined ? undefined : Number(index);
}

/** True when a text holds a token. */
export const hasToken = (text: string): boolean => text.includes(MARK);

/** The token of the slot with this number. */
export const tokenOf = (index: number): string => `${MARK}${index}z`;

/** A text that was percent-encoded by the template. */
export class EncodedText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** Controls that no text has a use for, and that XML and mail forbid: all but tab and line feed. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Makes the slot of a value. @throws {@link TemplateValueError} `E_EMAIL_VALUE` when it has no form as text. */
export function toSlot(value: unknown, site: TemplateSite, expression: string): Slot {
  const encoded = value instanceof EncodedText;
  const plain = encoded ? value.text : value;
  switch (typeof plain) {
    case 'string':
      return { text: plain.replace(/\r\n?/g, '\n').replace(CONTROLS, ''), encoded, site, expression };
    case 'number':
    case 'bigint':
    case 'boolean':
      return { text: String(plain), encoded, site, expression };
    case 'undefined':
      return { text: '', encoded, site, expression };
    default:
      if (plain === null) return { text: '', encoded, site, expression };
      throw new TemplateValueError(site, expression, nameOf(plain));
  }
}

/**
 * Adds a slot and returns its number. One that repeats the slot before it gets that one's number: so an address that
 * is its own label, `[{{ url }}]({{ url }})`, can be told from one that is not.
 */
export function addSlot(slots: Slot[], slot: Slot): number {
  const last = slots.at(-1);
  const repeats = last?.expression === slot.expression && last.text === slot.text;
  return repeats ? slots.length - 1 : slots.push(slot) - 1;
}

function nameOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Date) return 'a date';
  return typeof value === 'function' ? 'a function' : 'an object';
}

/** Puts the values back in place of their tokens, as they are. */
export function fillPlain(text: string, slots: readonly Slot[]): string {
  return text.replace(TOKENS, (_, index: string) => slots[Number(index)]?.text ?? '');
}
