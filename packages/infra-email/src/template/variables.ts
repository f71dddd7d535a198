import { closest } from '../closest.ts';
import { type MissingVariable, type TemplateSite, TemplateSyntaxError } from '../errors.ts';
import { EACH, gaps, type Step } from './lookup.ts';
import { childNodes, type Environment, isList, type ListNode, type Node } from './nunjucks.ts';

/** A variable that a template uses. */
interface Use {
  readonly path: readonly Step[];
  readonly line: number;
}

/** What a template asks of its data. */
export interface Variables {
  readonly uses: readonly Use[];
  /** Paths whose absence the template provides for, with `default` or `is defined`. */
  readonly optional: readonly (readonly Step[])[];
  /** The names at the root of both. */
  readonly roots: ReadonlySet<string>;
}

/** The names in sight beside the data: the path that a loop's variable stands for, or null for a local one. */
type Scope = Map<string, readonly Step[] | null>;

/** What is refused, and what to do in its place. */
const REFUSED_NODES: Readonly<Record<string, string>> = {
  Extends: 'Name a layout in the front matter: `layout: default`.',
  Block: 'Name a layout in the front matter: `layout: default`.',
  Include: 'Put what templates share into a layout.',
  Import: 'Put what templates share into a layout.',
  FromImport: 'Put what templates share into a layout.',
  Macro: 'Use a loop, or one of the tags button, panel and table.',
  Caller: 'Use a loop, or one of the tags button, panel and table.',
  Capture: 'Set a variable to an expression: `{% set x = a + b %}`.',
  AsyncEach: 'Use `for`.',
  AsyncAll: 'Use `for`.',
  IfAsync: 'Use `if`.',
};
const ESCAPES = 'Data is always escaped, and never read as Markdown or HTML. Leave the filter out.';
const REFUSED_FILTERS = new Set(['safe', 'escape', 'e', 'forceescape', 'nl2br', 'urlize']);

/** What a search has found, and what it needs to judge it. */
interface Search {
  readonly uses: Use[];
  readonly optional: (readonly Step[])[];
  readonly env: Environment;
  readonly site: (line: number) => TemplateSite;
}

/**
 * Reads what a template asks of its data from its syntax tree, on every branch.
 *
 * @throws {@link TemplateSyntaxError} `E_EMAIL_TEMPLATE_SYNTAX` for a filter, test or tag it cannot have.
 */
export function findVariables(ast: Node, env: Environment, site: (line: number) => TemplateSite): Variables {
  const search: Search = { uses: [], optional: [], env, site };
  walk(ast, new Map(), search);
  const paths = [...search.uses.map((use) => use.path), ...search.optional];
  return { ...search, roots: new Set(paths.map(([root]) => String(root))) };
}

function walk(node: Node, scope: Scope, search: Search): void {
  const refused = REFUSED_NODES[node.typename];
  if (refused) {
    const tag = node.typename.toLowerCase();
    throw new TemplateSyntaxError(search.site(node.lineno), `the tag "${tag}" is refused`, refused);
  }
  const path = pathOf(node, scope, search);
  const special = WALKERS[node.typename];
  if (path) search.uses.push({ path, line: node.lineno });
  else if (special) special(node, scope, search);
  else for (const child of childNodes(node)) walk(child, scope, search);
}

/** The nodes whose children are not all expressions over the data in the same scope. */
const WALKERS: Readonly<Record<string, (node: Node, scope: Scope, search: Search) => void>> = {
  For(node, scope, search) {
    walk(node.arr as Node, scope, search);
    const list = pathOf(node.arr as Node, scope, search);
    const name = node.name as Node;
    const names = isList(name) ? name.children.map((child) => String(child.value)) : [String(name.value)];
    const inner: Scope = new Map([...scope, ['loop', null]]);
    for (const [i, local] of names.entries()) {
      const item = names.length === 1 || (names.length === 2 && i === 1);
      inner.set(local, item && list ? [...list, EACH] : null);
    }
    walk(node.body as Node, inner, search);
    if (node.else_) walk(node.else_ as Node, scope, search);
  },
  Filter(node, scope, search) {
    const name = node.name as Node;
    const filter = String(name.value);
    if (REFUSED_FILTERS.has(filter))
      throw new TemplateSyntaxError(search.site(name.lineno), `the filter "${filter}" is refused`, ESCAPES);
    mustKnow('filter', search.env.filters, name, search);
    const [first, ...rest] = (node.args as ListNode).children;
    const path = first && pathOf(first, scope, search);
    if (path && (filter === 'default' || filter === 'd')) search.optional.push(path);
    else if (first) walk(first, scope, search);
    for (const arg of rest) walk(arg, scope, search);
  },
  Is(node, scope, search) {
    const right = node.right as Node;
    const test = right.typename === 'FunCall' ? (right.name as Node) : right;
    // `null` and `none` are read as literals, and name the test as well.
    if (test.typename === 'Symbol') mustKnow('test', search.env.tests, test, search);
    const path = pathOf(node.left as Node, scope, search);
    if (path && (test.value === 'defined' || test.value === 'undefined')) search.optional.push(path);
    else walk(node.left as Node, scope, search);
    if (right.typename === 'FunCall') walk(right.args as Node, scope, search);
  },
  Pair(node, scope, search) {
    walk(node.value as Node, scope, search);
  },
  Set(node, scope, search) {
    for (const value of [node.value, node.body]) if (value) walk(value as Node, scope, search);
    for (const target of node.targets as Node[]) scope.set(String(target.value), null);
  },
};

/** The path through the data that an expression is; undefined for any other. */
function pathOf(node: Node, scope: Scope, search: Search): readonly Step[] | undefined {
  if (node.typename === 'Symbol') {
    const name = String(node.value);
    if (scope.has(name)) return scope.get(name) ?? undefined;
    return Object.hasOwn(search.env.globals, name) ? undefined : [name];
  }
  if (node.typename !== 'LookupVal' || (node.val as Node).typename !== 'Literal') return undefined;
  const base = pathOf(node.target as Node, scope, search);
  return base && [...base, String((node.val as Node).value)];
}

function mustKnow(kind: string, table: Readonly<Record<string, unknown>>, name: Node, search: Search): void {
  const text = String(name.value);
  if (Object.hasOwn(table, text)) return;
  const near = closest(text, Object.keys(table));
  const help = near ? `Did you mean "${near}"?` : `See the built-in ${kind}s of nunjucks.`;
  throw new TemplateSyntaxError(search.site(name.lineno), `there is no ${kind} "${text}"`, help);
}

/** The variables that `data` lacks, each once, with the place of its first use. */
export function findMissing(
  { uses, optional }: Variables,
  data: Readonly<Record<string, unknown>>,
  site: (line: number) => TemplateSite,
): MissingVariable[] {
  const missing = new Map<string, MissingVariable>();
  for (const { path, line } of uses) {
    for (const { depth, variable, names } of gaps(path, data)) {
      const providedFor = optional.some((it) => depth < it.length && it.every((step, i) => step === path[i]));
      if (providedFor || missing.has(variable)) continue;
      const near = closest(String(path[depth]), names);
      missing.set(variable, { variable, ...site(line), ...(near ? { closest: near } : {}) });
    }
  }
  return [...missing.values()];
}
