import { closest } from '../closest.ts';
import { messageOf } from '../core.ts';
import { library, TemplateSyntaxError } from '../errors.ts';

/** A template file, taken apart. */
export interface TemplateParts {
  /** Nunjucks, on one line. */
  readonly subject: string;
  /** Nunjucks, on one line: what an inbox shows behind the subject. */
  readonly preheader: string;
  /** The name of the layout. @default 'default' */
  readonly layout: string;
  /** Markdown with nunjucks in it, its common indentation removed. */
  readonly body: string;
  /** The lines of the file on which the three start, from 1. */
  readonly lines: { readonly subject: number; readonly preheader: number; readonly body: number };
}

const KEYS = ['subject', 'preheader', 'layout'];
const FORM = 'Start the file with `---`, a line `subject: …`, and `---`.';

/**
 * Takes a template file apart.
 *
 * @throws {@link TemplateSyntaxError} `E_EMAIL_TEMPLATE_SYNTAX` when its front matter is not what it should be.
 */
export async function parseFrontMatter(source: string, file: string): Promise<TemplateParts> {
  const match = /^---[ \t]*\n((?:[^\n]*\n)*?)---[ \t]*(?:\n|$)/.exec(source);
  if (!match) throw new TemplateSyntaxError({ file, line: 1 }, 'there is no front matter', FORM);
  const [all, yaml = ''] = match;
  const values = await readYaml(yaml, file);
  const lineOf = (key: string): number =>
    Math.max(
      0,
      yaml.split('\n').findIndex((line) => line.startsWith(`${key}:`)),
    ) + 2;
  const field = (key: string): string => {
    const value = values[key] ?? '';
    if (typeof value === 'string') return value.replaceAll(/\s+/g, ' ').trim();
    throw new TemplateSyntaxError({ file, line: lineOf(key) }, `"${key}" is not a text`, QUOTE);
  };
  for (const key of Object.keys(values)) {
    if (KEYS.includes(key)) continue;
    const near = closest(key, KEYS);
    const help = near ? `Did you mean "${near}"?` : `It can hold ${KEYS.join(', ')}.`;
    throw new TemplateSyntaxError({ file, line: lineOf(key) }, `the front matter holds "${key}"`, help);
  }
  if (field('subject') === '') throw new TemplateSyntaxError({ file, line: 1 }, 'there is no subject', FORM);
  return {
    subject: field('subject'),
    preheader: field('preheader'),
    layout: field('layout') || 'default',
    body: dedent(source.slice(all.length)),
    lines: {
      subject: lineOf('subject'),
      preheader: lineOf('preheader'),
      body: all.replace(/\n$/, '').split('\n').length + 1,
    },
  };
}

const QUOTE = 'Put quotes around it: `subject: "{{ name }}, welcome"`.';

/** Loads yaml. It is not loaded before. */
export const loadYaml = (): Promise<typeof import('yaml')> => library('yaml', () => import('yaml'));

async function readYaml(yaml: string, file: string): Promise<Record<string, unknown>> {
  const { parseDocument } = await loadYaml();
  const document = parseDocument(yaml, { schema: 'failsafe', logLevel: 'silent' });
  const [error] = document.errors;
  if (error) {
    const line = (error.linePos?.[0].line ?? 1) + 1;
    const words = messageOf(error).split(/ at line|\n/)[0] ?? '';
    throw new TemplateSyntaxError({ file, line }, `the front matter is no YAML: ${words}`, QUOTE, error);
  }
  const value: unknown = document.toJS();
  if (value === null || value === undefined || value === '') return {};
  if (typeof value === 'object' && !Array.isArray(value)) return { ...value };
  throw new TemplateSyntaxError({ file, line: 2 }, 'the front matter is no list of names and values', FORM);
}

/** Removes the indentation that all lines share, so that a template can be indented as the code around it is. */
function dedent(text: string): string {
  const indents = text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.search(/\S/)]));
  const least = Math.min(...indents);
  return least > 0 && Number.isFinite(least)
    ? text.replaceAll(new RegExp(`^[ \\t]{1,${least}}`, 'gm'), '')
    : text;
}
