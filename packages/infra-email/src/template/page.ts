import { type TemplateSite, TemplateSyntaxError } from '../errors.ts';
import { escapeHtml, unescapeHtml } from './html.ts';
import { firstSlotIn, hasToken, type Slot, TOKENS } from './slots.ts';
import { URL_END, URL_START } from './text.ts';
import { buildUrl, type UrlKind } from './urls.ts';

/** What stands in a page between its fixed pieces. */
type Hole =
  | { readonly as: 'html' | 'title' | 'attribute'; readonly slot: number }
  | { readonly as: 'plain'; readonly slot: number; readonly indent: string }
  | {
      readonly as: 'url';
      readonly kind: UrlKind;
      readonly parts: readonly (string | number)[];
      readonly escape: boolean;
    };

/** A page with holes in it, each of which knows what may be put in: the page is read once and filled many times. */
export type Page = readonly (string | Hole)[];

/** Attributes in which a text is harmless when its quotes are escaped. */
const PLAIN_ATTRIBUTES = new Set(
  'abbr align alt bgcolor border cellpadding cellspacing class color colspan dir height id lang name role rowspan scope summary title valign width'.split(
    ' ',
  ),
);
const URL_ATTRIBUTES: Readonly<Record<string, UrlKind>> = { 'a href': 'link', 'img src': 'image' };
/** Elements whose content is no text of the page. */
const RAW = /^(?:style|script|noscript|iframe|textarea|template|object|svg|math)$/;

const TAG = /<!--[\s\S]*?-->|<!doctype[^>]*>|<(\/?)([a-z][^\s/>]*)((?:"[^"]*"|'[^']*'|[^"'>])*)>/gi;
const ATTRIBUTE = /([^\s=/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g;

/**
 * Finds where in a finished HTML page the tokens are.
 *
 * @throws {@link TemplateSyntaxError} `E_EMAIL_TEMPLATE_SYNTAX` for a value in a place where no escaping makes it
 * safe: a tag's name, a style, a script, a comment, an event handler.
 */
export function readPage(html: string, slots: readonly Slot[]): Page {
  const page: (string | Hole)[] = [];
  const refuse = (piece: string, where: string): never => {
    const { site, expression } = slots[firstSlotIn(piece) ?? 0] as Slot;
    throw misplaced(site, expression, where);
  };
  const keep = (piece: string, where: string): void => {
    if (hasToken(piece)) refuse(piece, where);
    page.push(piece);
  };
  const text = (piece: string, as: 'html' | 'title', raw: string | undefined): void => {
    if (raw) keep(piece, `inside <${raw}>`);
    else page.push(...withHoles(piece, (slot) => ({ as, slot })));
  };

  let at = 0;
  let raw: string | undefined;
  let title = false;
  for (const match of html.matchAll(TAG)) {
    const [tag, slash, element = '', attributes = ''] = match;
    const name = element.toLowerCase();
    if (raw && !(slash && name === raw)) continue;
    text(html.slice(at, match.index), title ? 'title' : 'html', raw);
    at = match.index + tag.length;
    raw = undefined;
    if (name === '' || !hasToken(tag)) {
      keep(tag, 'in a comment');
    } else {
      keep(`<${slash}${element}`, "in a tag's name");
      readAttributes(name, attributes, page, refuse);
      page.push('>');
    }
    title = name === 'title' && !slash;
    if (!slash && RAW.test(name) && !tag.endsWith('/>')) raw = name;
  }
  text(html.slice(at), 'html', raw);
  return merge(page);
}

function readAttributes(
  element: string,
  source: string,
  page: (string | Hole)[],
  refuse: (piece: string, where: string) => never,
): void {
  let at = 0;
  for (const match of source.matchAll(ATTRIBUTE)) {
    const [whole, name = '', quoted, single, bare] = match;
    page.push(source.slice(at, match.index));
    at = match.index + whole.length;
    const value = quoted ?? single ?? bare ?? '';
    if (!hasToken(whole)) {
      page.push(whole);
      continue;
    }
    const lower = name.toLowerCase();
    const kind = URL_ATTRIBUTES[`${element} ${lower}`];
    if (hasToken(name)) refuse(name, "in an attribute's name");
    page.push(`${name}="`);
    if (kind) page.push({ as: 'url', kind, parts: cutAtTokens(unescapeHtml(value)), escape: true });
    else if (PLAIN_ATTRIBUTES.has(lower) || lower.startsWith('aria-'))
      page.push(...withHoles(value, (slot) => ({ as: 'attribute', slot })));
    else refuse(value, `in the attribute "${lower}" of <${element}>`);
    page.push('"');
  }
  page.push(source.slice(at));
}

const misplaced = (site: TemplateSite, expression: string, where: string): TemplateSyntaxError =>
  new TemplateSyntaxError(
    site,
    `{{ ${expression} }} stands ${where}, where no value is safe`,
    'Values can stand in text, in the address of a link or image, and in attributes such as alt and title.',
  );

/** Finds the tokens in the text form. */
export function readText(text: string): Page {
  const url = new RegExp(`${URL_START}([^${URL_END}]*)${URL_END}`, 'g');
  const page: (string | Hole)[] = [];
  let at = 0;
  let line = '';
  const plain = (piece: string): void => {
    for (const part of cutAtTokens(piece)) {
      if (typeof part === 'number') page.push({ as: 'plain', slot: part, indent: indentOf(line) });
      else page.push(part);
      line = typeof part === 'number' ? `${line}x` : (line + part).slice((line + part).lastIndexOf('\n') + 1);
    }
  };
  for (const match of text.matchAll(url)) {
    plain(text.slice(at, match.index));
    page.push({ as: 'url', kind: 'link', parts: cutAtTokens(match[1] ?? ''), escape: false });
    at = match.index + match[0].length;
  }
  plain(text.slice(at));
  return merge(page);
}

/** What starts the next line when a value in this one breaks: a quotation stays one, a list item stays indented. */
function indentOf(line: string): string {
  const [mark = ''] = /^(?:> ?|- |\d+[.)] |\s)*/.exec(line) ?? [];
  return mark.replaceAll(/[^>]/g, ' ');
}

/** Puts the values in. */
export function fillPage(page: Page, slots: readonly Slot[]): string {
  let out = '';
  for (const piece of page) out += typeof piece === 'string' ? piece : fill(piece, slots);
  return out;
}

function fill(hole: Hole, slots: readonly Slot[]): string {
  if (hole.as === 'url') {
    const url = buildUrl(
      hole.parts.map((part) => (typeof part === 'string' ? part : (slots[part] as Slot))),
      hole.kind,
    );
    return hole.escape ? escapeHtml(url) : url;
  }
  const { text } = slots[hole.slot] as Slot;
  if (hole.as === 'plain') return text.replaceAll('\n', `\n${hole.indent}`);
  return hole.as === 'html'
    ? escapeHtml(text).replaceAll('\n', '<br>')
    : escapeHtml(text).replaceAll('\n', ' ');
}

function withHoles(text: string, hole: (slot: number) => Hole): (string | Hole)[] {
  return cutAtTokens(text).map((part) => (typeof part === 'string' ? part : hole(part)));
}

/** A text cut at its tokens: the pieces between, and the slots' numbers. */
function cutAtTokens(text: string): (string | number)[] {
  const parts: (string | number)[] = [];
  let at = 0;
  for (const match of text.matchAll(TOKENS)) {
    if (match.index > at) parts.push(text.slice(at, match.index));
    parts.push(Number(match[1]));
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

/** Joins neighbouring fixed pieces, so that filling has little to do. */
function merge(page: Page): Page {
  const merged: (string | Hole)[] = [];
  for (const piece of page) {
    const last = merged.at(-1);
    if (typeof piece === 'string' && typeof last === 'string') merged[merged.length - 1] = last + piece;
    else merged.push(piece);
  }
  return merged;
}
