import { library } from '../errors.ts';
import { type MarkdownRenderer, markdownRenderer } from './markdown.ts';
import { loadNunjucks } from './nunjucks.ts';
import { type ProgramCompiler, programCompiler } from './program.ts';

/** What the libraries underneath do for templates. */
export interface Libraries {
  readonly compile: ProgramCompiler;
  readonly markdown: MarkdownRenderer;
  readonly inline: (html: string) => string;
}

/** Loads them. @throws {@link LibraryError} `E_EMAIL_LIBRARY` */
export async function loadLibraries(): Promise<Libraries> {
  const [nunjucks, markdown, css] = await Promise.all([
    loadNunjucks(),
    markdownRenderer(),
    library('@css-inline/css-inline', () => import('@css-inline/css-inline')),
  ]);
  return {
    compile: programCompiler(nunjucks),
    markdown,
    // A stylesheet is never fetched, from a server or from this machine; @media rules stay, as nothing can inline them.
    inline: (html) =>
      rulesLast(
        css.inline(html, { loadRemoteStylesheets: false, keepAtRules: true, removeInlinedSelectors: true }),
      ),
  };
}

/**
 * Moves the @media rules, which the inliner puts at the start of the head, to its end: a browser looks for the
 * charset in the first 1024 bytes, and a rule must come behind those it overrides.
 */
function rulesLast(html: string): string {
  const rules = /(<head[^>]*>)(<style>@[^<]*<\/style>)([\s\S]*?)(?=<\/head>)/;
  return html.replace(rules, (_, head: string, style: string, rest: string) => head + rest + style);
}
