import { isInfraError, messageOf } from '../core.ts';
import { type MissingVariable, type TemplateSite, TemplateSyntaxError } from '../errors.ts';
import { componentTags } from './components.ts';
import { isPlain, member } from './lookup.ts';
import { childNodes, isList, type Node, type Nunjucks, type RootFunction } from './nunjucks.ts';
import { addSlot, EncodedText, type Slot, tokenOf, toSlot } from './slots.ts';
import { findVariables, type Variables } from './variables.ts';

/** A text with nunjucks in it, read and compiled once. */
export interface Program {
  /** Differs from every other program's. */
  readonly id: number;
  readonly variables: Variables;
  /** Where a line of it is: the line counts from 0. */
  site(line: number): TemplateSite;
  /**
   * Runs it. The result is short: a mark stands for each long piece of the template's own text, see `expand`, and it
   * is the same for all data that takes the same branches. Every value it prints is added to `slots`, and a token stands for it in the result. What it prints
   * without there being a value is added to `missing`.
   */
  run(data: Readonly<Record<string, unknown>>, slots: Slot[], missing: MissingVariable[]): string;
  /** Puts the template's own text back into what `run` returned. */
  expand(output: string): string;
}

/** A value that is no data but text of ours, printed as it is. */
export class Verbatim {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Compiles programs. */
export type ProgramCompiler = (source: string, file: string, firstLine: number) => Program;

/** The name of the filter that every printed expression is wrapped in. A template cannot write it. */
const SLOT = ' slot';

/** A piece of a template's own text from this length on is kept out of the output. */
const LONG = 24;
/** Around the number of such a piece. Neither template nor data holds this character. */
const PIECE = '\u0007';
const PIECES = new RegExp(`${PIECE}(\\d+)${PIECE}`, 'g');
const pieceMark = (index: number): string => PIECE + index + PIECE;
let lastId = 0;

/** Makes a compiler over nunjucks. */
export function programCompiler(nunjucks: Nunjucks): ProgramCompiler {
  const env = new nunjucks.Environment(null, { autoescape: true });
  env.addFilter('urlencode', (value) => new EncodedText(encodeURIComponent(String(value))));
  const { Frame, SafeString, fromIterator } = nunjucks.runtime;
  /** Nunjucks's runtime, with lookups that see data alone. */
  const safe = {
    ...nunjucks.runtime,
    memberLookup: member,
    fromIterator: (value: unknown) =>
      isPlain(value) ? Object.assign(Object.create(null), value) : fromIterator(value),
  };

  return (source, file, firstLine) => {
    const site = (line: number): TemplateSite => ({ file, line: line + firstLine });
    const prints: Print[] = [];
    const pieces: string[] = [];
    const { root, variables } = reading(site, () => {
      const ast = nunjucks.parser.parse(ownLines(source), componentTags(nunjucks, site));
      const found = findVariables(ast, env, site);
      prepareOutputs(ast, nunjucks, prints, pieces);
      return { root: compile(ast, nunjucks), variables: found };
    });
    lastId += 1;
    return {
      id: lastId,
      variables,
      site,
      expand: (output) => output.replace(PIECES, (_, index: string) => pieces[Number(index)] ?? ''),
      run(data, slots, missing) {
        const slot = (value: unknown, index: number): unknown => {
          if (value instanceof Verbatim) return new SafeString(value.text);
          const { line, expression } = prints[index] as Print;
          if (value === undefined) missing.push({ variable: expression, ...site(line) });
          return new SafeString(tokenOf(addSlot(slots, toSlot(value, site(line), expression))));
        };
        const scope = {
          getFilter: (name: string): unknown => (name === SLOT ? slot : env.filters[name]),
          getTest: (name: string): unknown => env.tests[name],
          opts: { autoescape: true },
        };
        const context = {
          lookup: (name: string) => {
            const value = member(data, name);
            return value === undefined ? member(env.globals, name) : value;
          },
        };
        const handleError = (error: unknown, line: number): Error =>
          isInfraError(error) ? error : unreadable(error, site(line));
        let result = '';
        root(scope, context, new Frame(), { ...safe, handleError }, (error, output) => {
          if (error) throw error;
          result = output;
        });
        return result;
      },
    };
  };
}

interface Print {
  readonly line: number;
  readonly expression: string;
}

/**
 * Moves the line break behind a line of nothing but tags into its last tag: such a line leaves no trace in the
 * Markdown. Pipes around the tags go too: formatters make rows of tags that stand between a table's rows.
 */
function ownLines(source: string): string {
  const onlyTags = /^[ \t|]*((?:\{%(?:(?!%\})[^\n])*%\}|\{#(?:(?!#\})[^\n])*#\}|[ \t])+)[ \t|]*\n/gm;
  return source.replace(onlyTags, (line, tags: string) =>
    tags.trim() === '' ? line : tags.trimEnd().replace(/-?[%#]\}$/, (end) => `\n${end}`),
  );
}

/**
 * Wraps what a template prints, so that each value passes through a function of ours with the number of its place,
 * and puts marks in place of long pieces of its own text.
 */
function prepareOutputs(node: Node, nunjucks: Nunjucks, prints: Print[], pieces: string[]): void {
  if (node.typename !== 'Output' || !isList(node)) {
    for (const child of childNodes(node)) prepareOutputs(child, nunjucks, prints, pieces);
    return;
  }
  const { nodes } = nunjucks;
  node.children = node.children.map((child) => {
    const { lineno, colno, value } = child;
    if (child.typename === 'TemplateData') {
      if (typeof value !== 'string' || value.length < LONG) return child;
      return new nodes.TemplateData(lineno, colno, pieceMark(pieces.push(value) - 1));
    }
    const index = prints.push({ line: lineno, expression: describe(child) }) - 1;
    const args = new nodes.NodeList(lineno, colno, [child, new nodes.Literal(lineno, colno, index)]);
    return new nodes.Filter(lineno, colno, new nodes.Symbol(lineno, colno, SLOT), args);
  });
}

/** An expression as a reader would write it, shortened. */
function describe(node: Node): string {
  switch (node.typename) {
    case 'Symbol':
      return String(node.value);
    case 'Literal':
      return JSON.stringify(node.value);
    case 'LookupVal': {
      const { typename, value } = node.val as Node;
      return `${describe(node.target as Node)}${typename === 'Literal' && typeof value === 'string' ? `.${value}` : '[…]'}`;
    }
    case 'Filter': {
      const [first] = (node.args as Node).children as Node[];
      return `${first ? describe(first) : '…'} | ${String((node.name as Node).value)}`;
    }
    default:
      return '…';
  }
}

function compile(ast: Node, { compiler }: Nunjucks): RootFunction {
  const made = new compiler.Compiler('template', false);
  made.compile(ast);
  // What nunjucks itself does with the code it makes. A template is code, written by the application's author.
  return (new Function(made.getCode())() as { root: RootFunction }).root;
}

function reading<T>(site: (line: number) => TemplateSite, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (isInfraError(error)) throw error;
    throw unreadable(error, site(((error as { lineno?: number }).lineno ?? 1) - 1));
  }
}

/** Nunjucks's own words, without the place and name that it puts before them. */
function unreadable(error: unknown, site: TemplateSite): TemplateSyntaxError {
  const words = messageOf(error)
    .replace(/^\(unknown path\)\s*(\[.*?\]\s*)?/, '')
    .replace(/^\s*(Template render error|Error): /, '')
    .replace(/\.$/, '');
  return new TemplateSyntaxError(site, words, 'Correct the nunjucks tag or expression there.', error);
}
