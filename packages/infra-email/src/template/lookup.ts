/** True for an object of plain data: a literal, or one without a prototype. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/**
 * A member of a value, as a template may see it: of a plain object its own, of anything else (a text, a list, an
 * instance of a class) whatever does not come from `Object.prototype`. So no template, and no name that data puts
 * into `{{ table[name] }}`, reaches `constructor` or what polluted a prototype.
 */
export function member(value: unknown, key: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  const name = typeof key === 'symbol' ? key : String(key);
  const held = Object(value) as Record<PropertyKey, unknown>;
  if (
    !Object.hasOwn(held, name) &&
    (isPlain(value) || name in Object.prototype || typeof value === 'function')
  )
    return undefined;
  if (name === '__proto__') return undefined;
  const found = held[name];
  return typeof found === 'function' ? (...args: unknown[]) => found.apply(value, args) : found;
}

/** One step of a path: a name, or {@link EACH}. */
export type Step = string | typeof EACH;

/** Stands in a path for each item of a list, or each value of an object. */
export const EACH: unique symbol = Symbol('each');

/** Where a path ends too early: at which step, under which concrete name, and what names there are instead. */
export interface Gap {
  /** Index of the step that is absent. */
  readonly depth: number;
  /** Such as `items[2].price`. */
  readonly variable: string;
  readonly names: readonly string[];
}

/** Follows a path through data and returns where it ends too early: nowhere, or once for each item that lacks it. */
export function gaps(path: readonly Step[], data: Readonly<Record<string, unknown>>): Gap[] {
  const follow = (value: unknown, depth: number, label: string): Gap[] => {
    const step = path[depth];
    if (step === undefined) return [];
    if (step === EACH)
      return itemsOf(value).flatMap(([key, item]) => follow(item, depth + 1, `${label}[${key}]`));
    const name = label === '' ? step : `${label}.${step}`;
    const next = member(value, step);
    if (next !== undefined) return follow(next, depth + 1, name);
    return [{ depth, variable: name, names: isPlain(value) ? Object.keys(value) : [] }];
  };
  return follow(data, 0, '');
}

function itemsOf(value: unknown): [string | number, unknown][] {
  if (Array.isArray(value)) return [...value.entries()];
  return isPlain(value) ? Object.entries(value) : [];
}
