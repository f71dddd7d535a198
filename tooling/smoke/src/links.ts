import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** A link that leads nowhere. */
export interface BrokenLink {
  readonly file: string;
  readonly line: number;
  readonly target: string;
}

/** The relative links of Markdown files, anchors included, that lead nowhere. Nothing is fetched. */
export function brokenLinks(root: string, files: readonly string[]): BrokenLink[] {
  return files.flatMap((file) =>
    linksIn(readFileSync(join(root, file), 'utf8')).flatMap(({ target, line }) =>
      leadsSomewhere(root, file, target) ? [] : [{ file, line, target }],
    ),
  );
}

function leadsSomewhere(root: string, file: string, target: string): boolean {
  if (/^([a-z][a-z+.-]*:|\/\/)/i.test(target)) return true;
  const [path = '', anchor] = decodeURIComponent(target).split('#');
  const found = path === '' ? join(root, file) : join(root, dirname(file), path);
  if (relative(root, found).startsWith('..') || !existsSync(found)) return false;
  return anchor === undefined || !found.endsWith('.md') || anchorsIn(readFileSync(found, 'utf8')).has(anchor);
}

/** Blocks and spans of code hold no links; their lines are kept, so that line numbers stay right. */
const withoutCode = (text: string): string =>
  text
    .replaceAll(/^([ \t]*)(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\1\2[ \t]*$/gm, (block) =>
      block.replaceAll(/[^\n]/g, ''),
    )
    .replaceAll(/(`+)(?!`)[^\n]*?[^`\n]\1(?!`)/g, '');

function linksIn(text: string): { target: string; line: number }[] {
  const inline = /\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g;
  const reference = /^\[[^\]]+\]:\s*<?([^\s>]+)>?/gm;
  const html = /<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)="([^"]+)"/g;
  const prose = withoutCode(text);
  return [inline, reference, html].flatMap((pattern) =>
    Array.from(prose.matchAll(pattern), ({ index, 1: target = '' }) => ({
      target,
      line: prose.slice(0, index).split('\n').length,
    })),
  );
}

/** The anchors of a page, as GitHub makes them of its headings, and those given in HTML. */
function anchorsIn(text: string): Set<string> {
  const anchors = new Set<string>();
  const seen = new Map<string, number>();
  const fenced = text.replaceAll(/^([ \t]*)(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\1\2[ \t]*$/gm, '');
  for (const [, heading = ''] of fenced.matchAll(/^#{1,6}[ \t]+(.+?)[ \t]*#*$/gm)) {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = words.replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, '').replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  for (const [, id = ''] of fenced.matchAll(/\b(?:id|name)="([^"]+)"/g)) anchors.add(id);
  return anchors;
}
