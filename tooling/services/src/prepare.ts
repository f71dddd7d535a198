import { askOnce } from './global-setup.ts';
import { type Machine, thisMachine } from './machine.ts';
import { type Need, needs, type ServiceKind } from './needs.ts';
import { resolve } from './resolve.ts';

/**
 * Finds every service before a run, asking or installing once for all of them, and says where each comes from.
 * With `CI` set a missing one is left to the suite that needs it, which fails.
 */
export async function prepareServices(
  machine: Machine = thisMachine,
): Promise<Readonly<Record<ServiceKind, string>>> {
  await askOnce();
  const found: Partial<Record<ServiceKind, string>> = {};
  for (const need of Object.values(needs)) found[need.kind] = await whereFrom(need, machine);
  return found as Record<ServiceKind, string>;
}

async function whereFrom(need: Need, machine: Machine): Promise<string> {
  try {
    const { from } = await resolve(need, machine);
    // What was installed just now is on the PATH from here on.
    return from === 'install' ? 'path' : from;
  } catch {
    return 'nowhere';
  }
}
