import { library } from '../errors.ts';

/** A node of nunjucks's syntax tree, as far as it is looked at here. */
export interface Node {
  readonly typename: string;
  /** 0 for the first line. */
  readonly lineno: number;
  readonly colno: number;
  readonly fields: readonly string[];
  readonly [field: string]: unknown;
}

/** A node that holds others. */
export interface ListNode extends Node {
  children: Node[];
}

type NodeClass = new (lineno: number, colno: number, ...fields: unknown[]) => Node;

/** What a tag of one's own is given to read itself with. */
export interface TagParser {
  nextToken(): { readonly value: string; readonly lineno: number; readonly colno: number };
  parseSignature(tolerant: null, noParens: true): ListNode;
  advanceAfterBlockEnd(name?: string): void;
  parseUntilBlocks(...names: string[]): ListNode;
}

/** A tag of one's own. */
export interface TagExtension {
  readonly tags: readonly string[];
  parse(parser: TagParser): Node;
}

/** The function a template is compiled to. */
export type RootFunction = (
  env: object,
  context: object,
  frame: object,
  runtime: object,
  done: (error: unknown, output: string) => void,
) => void;

type AnyFunction = (...args: unknown[]) => unknown;

/** Nunjucks's tables of what an expression can call. */
export interface Environment {
  readonly filters: Readonly<Record<string, unknown>>;
  readonly tests: Readonly<Record<string, unknown>>;
  readonly globals: Readonly<Record<string, unknown>>;
  addFilter(name: string, filter: AnyFunction): void;
}

/** The parts of nunjucks that are used. Its own typings leave most of them out. */
export interface Nunjucks {
  readonly Environment: new (loader: null, options: { autoescape: boolean }) => Environment;
  readonly parser: { parse(source: string, extensions: readonly TagExtension[]): ListNode };
  readonly compiler: {
    readonly Compiler: new (name: string, strict: boolean) => { compile(ast: Node): void; getCode(): string };
  };
  readonly nodes: Readonly<
    Record<'NodeList' | 'Output' | 'TemplateData' | 'Filter' | 'Symbol' | 'Literal', NodeClass>
  >;
  readonly runtime: {
    readonly Frame: new () => object;
    readonly SafeString: new (text: string) => object;
    fromIterator(value: unknown): unknown;
  };
}

/** Loads nunjucks. It is not loaded before. */
export async function loadNunjucks(): Promise<Nunjucks> {
  const { default: nunjucks } = await library('nunjucks', () => import('nunjucks'));
  return nunjucks as unknown as Nunjucks;
}

/** True for a node that holds others in `children`. */
export const isList = (node: Node): node is ListNode => Array.isArray(node.children);

/** The nodes directly inside a node, whichever field holds them. */
export function childNodes(node: Node): Node[] {
  const isNode = (value: unknown): value is Node =>
    typeof value === 'object' && value !== null && 'typename' in value;
  return node.fields.flatMap((field) => {
    const value = node[field];
    return Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [];
  });
}
