import { TemplateSyntaxError } from '../errors.ts';
import type { ListNode, Nunjucks, TagExtension, TagParser } from './nunjucks.ts';

/** The tags that templates have beside nunjucks's own, and how many arguments each takes. */
const COMPONENTS = { button: 1, panel: 0, table: 0 } as const;

/*
 * A component becomes a line of its own in the Markdown, opened and closed by a control character that neither a
 * template nor data can hold: both have theirs removed.
 */
/** Starts the line that opens a component: `\u0002button https://…`. */
export const OPEN = '\u0002';
/** Starts the line that closes one: `\u0003button`. */
export const CLOSE = '\u0003';

/** Teaches nunjucks the components: each turns into text around its body while the template is read. */
export function componentTags(
  { nodes }: Nunjucks,
  site: (line: number) => { file: string; line: number },
): TagExtension[] {
  return Object.entries(COMPONENTS).map(([name, count]) => ({
    tags: [name],
    parse(parser: TagParser) {
      const { lineno, colno } = parser.nextToken();
      const args: ListNode = parser.parseSignature(null, true);
      parser.advanceAfterBlockEnd(name);
      if (args.children.length !== count || args.children.some((arg) => arg.typename === 'KeywordArgs'))
        throw new TemplateSyntaxError(
          site(lineno),
          `the tag "${name}" takes ${count === 0 ? 'no argument' : 'one argument'}`,
          name === 'button'
            ? 'Write `{% button url %}Label{% endbutton %}`.'
            : `Write \`{% ${name} %}…{% end${name} %}\`.`,
        );
      const body = parser.parseUntilBlocks(`end${name}`);
      parser.advanceAfterBlockEnd();
      const text = (value: string): unknown =>
        new nodes.Output(lineno, colno, [new nodes.TemplateData(lineno, colno, value)]);
      return new nodes.NodeList(lineno, colno, [
        text(`\n\n${OPEN}${name} `),
        new nodes.Output(lineno, colno, args.children),
        text('\n'),
        body,
        text(`\n${CLOSE}${name}\n\n`),
      ]);
    },
  }));
}
