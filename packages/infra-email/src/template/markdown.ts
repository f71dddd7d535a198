import type { StateBlock, Token } from 'markdown-it';
import { library } from '../errors.ts';
import { CLOSE, OPEN } from './components.ts';
import { escapeHtml } from './html.ts';
import { firstSlotIn } from './slots.ts';
import { toText } from './text.ts';

/** A Markdown text, turned into both forms of an e-mail's body. */
interface MarkdownResult {
  readonly html: string;
  readonly text: string;
  /** The number of a slot in `<…>`: it looks like a link to the author and is none. */
  readonly bareAddress?: number;
}

/** Turns Markdown, with tokens in the place of data, into HTML and text. */
export type MarkdownRenderer = (source: string) => MarkdownResult;

/** Loads markdown-it and makes a renderer. It is not loaded before. */
export async function markdownRenderer(): Promise<MarkdownRenderer> {
  const { default: make } = await library('markdown-it', () => import('markdown-it'));
  // `linkify` would search all text for addresses: slow on hostile input, and a link nobody wrote.
  const md = make({ html: false, linkify: false, typographer: false });
  // Indentation means nothing in an e-mail; in an indented template it would make code of a paragraph.
  md.disable('code');
  md.block.ruler.before('fence', 'component', component, {
    alt: ['paragraph', 'reference', 'blockquote', 'list', 'table'],
  });
  Object.assign(md.renderer.rules, COMPONENT_HTML);
  return (source) => {
    const tokens = md.parse(source, {});
    const bareAddress = findBareAddress(tokens);
    return {
      html: md.renderer.render(tokens, md.options, {}),
      text: toText(tokens),
      ...(bareAddress === undefined ? {} : { bareAddress }),
    };
  };
}

type Rule = (tokens: Token[], index: number) => string;

const BUTTON =
  '<table role="presentation" class="button" cellpadding="0" cellspacing="0" border="0"><tr><td class="button-cell">';
const PANEL =
  '<table role="presentation" class="panel" cellpadding="0" cellspacing="0" border="0" width="100%"><tr><td class="panel-cell">';

const COMPONENT_HTML: Readonly<Record<string, Rule>> = {
  button_open: (tokens, i) => `${BUTTON}<a class="button-link" href="${escapeHtml(tokens[i]?.info ?? '')}">`,
  button_close: () => '</a></td></tr></table>\n',
  panel_open: () => `${PANEL}\n`,
  panel_close: () => '</td></tr></table>\n',
  table_component_open: () => '<div class="data">\n',
  table_component_close: () => '</div>\n',
  th_open: (tokens, i) => `<th scope="col"${align(tokens[i])}>`,
  td_open: (tokens, i) => `<td${align(tokens[i])}>`,
};

/** The alignment of a table's cell, in the form that Outlook understands too. */
function align(cell: Token | undefined): string {
  const [, side] = /text-align:\s*(\w+)/.exec(String(cell?.attrGet('style') ?? '')) ?? [];
  return side ? ` align="${side}" style="text-align:${side}"` : '';
}

/** The block rule that reads a component: the lines between its opening and its closing one. */
function component(state: StateBlock, start: number, end: number, silent: boolean): boolean {
  const open = lineAt(state, start);
  if (!open.startsWith(OPEN)) return false;
  const [, name = '', info = ''] = /^(\w+) ?(.*)$/.exec(open.slice(1).trim()) ?? [];
  let close = start + 1;
  for (let depth = 1; close < end; close += 1) {
    const line = lineAt(state, close);
    if (line.startsWith(OPEN)) depth += 1;
    else if (line.startsWith(CLOSE)) depth -= 1;
    if (depth === 0) break;
  }
  if (close >= end) return false;
  if (silent) return true;

  const type = name === 'table' ? 'table_component' : name;
  const opening = state.push(`${type}_open`, '', 1);
  opening.info = info;
  opening.block = true;
  if (name === 'button') {
    const inline = state.push('inline', '', 0);
    inline.content = state
      .getLines(start + 1, close, 0, false)
      .replaceAll(/\s+/g, ' ')
      .trim();
    inline.map = [start + 1, close];
    inline.children = [];
  } else readInside(state, start + 1, close);
  state.push(`${type}_close`, '', -1).block = true;
  state.line = close + 1;
  return true;
}

/** Reads the lines inside a component as blocks of their own, from their common indentation on. */
function readInside(state: StateBlock, start: number, close: number): void {
  const { lineMax, blkIndent, parentType } = state;
  const lines = Array.from({ length: close - start }, (_, i) => start + i).filter(
    (line) => !state.isEmpty(line),
  );
  state.lineMax = close;
  state.parentType = 'component';
  state.blkIndent = Math.min(...lines.map((line) => state.sCount[line] ?? 0), Number.MAX_SAFE_INTEGER);
  state.md.block.tokenize(state, start, close);
  Object.assign(state, { lineMax, blkIndent, parentType });
}

const lineAt = (state: StateBlock, line: number): string =>
  state.src.slice((state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0), state.eMarks[line] ?? 0);

/** Markdown reads `<word>` as text, and before the data is there `<{{ url }}>` is a word. */
function findBareAddress(tokens: readonly Token[]): number | undefined {
  for (const { children } of tokens) {
    const text = (children ?? []).map((it) => (it.type === 'text' ? it.content : ' ')).join('');
    const [bare = ''] = /<[a-z0-9]+>/.exec(text) ?? [];
    const slot = firstSlotIn(bare);
    if (slot !== undefined) return slot;
  }
  return undefined;
}
