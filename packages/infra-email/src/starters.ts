import { fileURLToPath } from 'node:url';

/** The templates this package brings along. In `src` itself: what is built lies one folder below the package too. */
export const STARTERS: string = fileURLToPath(new URL('../templates', import.meta.url));
