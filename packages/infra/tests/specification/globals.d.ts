// What the specification's samples take from the application around them.
import type { z as zod } from 'zod';

declare global {
  const z: typeof zod;
  const db: { execute(query: string): Promise<unknown> };
  const sql: (text: TemplateStringsArray) => string;
  const ws: { send(data: string | Uint8Array): void; close(): void };
}
