import type { Token } from 'markdown-it';

/*
 * Around an address in the text form, so that the values in it are put in as an address's are. Neither template nor
 * data holds these characters: both have theirs removed.
 */
/** Before an address. */
export const URL_START = '\u0004';
/** Behind one. */
export const URL_END = '\u0005';

/** Writes Markdown's tokens as plain text: links as `label (address)`, lists with their marks, tables by rows. */
export function toText(tokens: readonly Token[]): string {
  const blocks = readBlocks(tokens, { at: 0 }, undefined);
  return `${blocks
    .join('\n\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}

interface Cursor {
  at: number;
}

/** The blocks up to the token that closes `parent`. */
function readBlocks(tokens: readonly Token[], cursor: Cursor, parent: string | undefined): string[] {
  const blocks: string[] = [];
  while (cursor.at < tokens.length) {
    const token = tokens[cursor.at] as Token;
    cursor.at += 1;
    if (token.nesting === -1 && token.type === parent) break;
    const block = readBlock(token, tokens, cursor);
    if (block !== '') blocks.push(block);
  }
  return blocks;
}

function readBlock(token: Token, tokens: readonly Token[], cursor: Cursor): string {
  if (token.nesting === 0) return readLeaf(token);
  const blocks = readBlocks(tokens, cursor, token.type.replace(/_open$/, '_close'));
  switch (token.type) {
    case 'button_open': {
      const label = blocks.join(' ');
      return `${label} (${URL_START}${token.info}${URL_END})`;
    }
    case 'blockquote_open':
      return prefix(blocks.join('\n\n'), '> ', '> ');
    case 'bullet_list_open':
    case 'ordered_list_open':
    case 'thead_open':
    case 'tbody_open':
    case 'table_open':
      return blocks.join('\n');
    case 'list_item_open': {
      const mark = token.info ? `${token.info}${token.markup} ` : '- ';
      return prefix(blocks.join('\n'), mark, ' '.repeat(mark.length));
    }
    case 'tr_open':
      return blocks.join(' | ');
    case 'th_open':
    case 'td_open':
      // An empty cell must keep its place in the row.
      return blocks.join(' ') || '-';
    default:
      return blocks.join('\n\n');
  }
}

const prefix = (text: string, first: string, rest: string): string =>
  text
    .split('\n')
    .map((line, i) => `${i === 0 ? first : rest}${line}`.trimEnd())
    .join('\n');

function readLeaf(token: Token): string {
  if (token.type === 'inline') return readInline(token.children ?? []);
  if (token.type === 'hr') return '---';
  return token.content.trimEnd();
}

function readInline(tokens: readonly Token[]): string {
  let text = '';
  const links: { from: number; href: string }[] = [];
  for (const token of tokens) {
    switch (token.type) {
      case 'softbreak':
        text += ' ';
        break;
      case 'hardbreak':
        text += '\n';
        break;
      case 'image':
        text += token.content;
        break;
      case 'link_open':
        links.push({ from: text.length, href: String(token.attrGet('href') ?? '') });
        break;
      case 'link_close': {
        const link = links.pop();
        if (link) text = withAddress(text, link.from, link.href);
        break;
      }
      default:
        text += token.content;
    }
  }
  return text.trim();
}

/** Puts the address behind a link's label; one that is its own label is written once. */
function withAddress(text: string, from: number, href: string): string {
  const label = text.slice(from);
  const address = `${URL_START}${href}${URL_END}`;
  if (label === href || `mailto:${label}` === href)
    return text.slice(0, from) + (label === href ? address : label);
  return label === '' ? text + address : `${text} (${address})`;
}
