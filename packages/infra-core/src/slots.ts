import { InfraError } from './errors.ts';

/** State of a contract this copy of a package does not know. */
export class SlotContractError extends InfraError {
  constructor(name: string, expected: number, found: unknown) {
    super(
      `The shared state "${name}" follows contract ${String(found)}, this copy needs contract ${expected}.`,
      {
        code: 'E_SLOT_CONTRACT',
        help: 'Two versions of an @vibeonrails/infra package that cannot share state are installed: `npm ls @vibeonrails/infra-core` shows them. Upgrade the older one.',
      },
    );
  }
}

interface Holder {
  readonly contract: number;
  readonly value: unknown;
}

const keys = new Map<string, symbol>();

function keyOf(name: string): symbol {
  // Kept: slots are asked for on every job and every call, and a symbol's name has to be put together.
  const known = keys.get(name);
  if (known) return known;
  const key = Symbol.for(`@vibeonrails/infra/${name}`);
  keys.set(name, key);
  return key;
}

/**
 * The one object called `name` in this process, whichever installed copy of a package made it.
 *
 * Every copy that asks for the same `contract` gets the same object. Within a contract the object's shape only
 * ever grows; a break takes the next number. It must hold plain data and functions, never a class that a reader
 * would test with `instanceof`.
 *
 * @throws {@link SlotContractError} `E_SLOT_CONTRACT` when another copy made it under a different contract.
 */
export function slot<T extends object>(name: string, contract: number, create: () => T): T {
  const scope = globalThis as unknown as Record<symbol, Holder | undefined>;
  const key = keyOf(name);
  scope[key] ??= { contract, value: create() };
  const holder = scope[key];
  if (holder.contract !== contract) throw new SlotContractError(name, contract, holder.contract);
  return holder.value as T;
}

/** Forgets the object called `name`, so that the next {@link slot} makes a new one. For tests. */
export function clearSlot(name: string): void {
  delete (globalThis as unknown as Record<symbol, unknown>)[keyOf(name)];
}
