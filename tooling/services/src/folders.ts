import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh folder for one server. */
export const newFolder = async (name: string): Promise<string> =>
  await mkdtemp(join(tmpdir(), `infra-${name}-`));

/** Removes a folder and what is in it. */
export const removeFolder = async (path: string): Promise<void> =>
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
