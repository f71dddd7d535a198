import { statfs } from 'node:fs/promises';
import type { HealthCheck } from '@vibeonrails/infra-core';
import { judge, percent } from './limits.ts';

/** How full a disk may be. */
export interface DiskCheckOptions {
  /** Any file or folder on the file system to look at. @default the working folder */
  path?: string;
  /** Used share, between 0 and 1. @default 0.8 */
  degradedAt?: number;
  /** Used share, between 0 and 1. @default 0.95 */
  errorAt?: number;
}

/** Checks how full the file system of `path` is, as `df` shows it to a process without privileges. */
export function disk(options: DiskCheckOptions = {}): HealthCheck {
  const { path = '.', degradedAt = 0.8, errorAt = 0.95 } = options;
  return async () => {
    const { blocks, bfree, bavail, bsize } = await statfs(path);
    const used = blocks - bfree;
    // Some file systems, such as /proc, have no size.
    const share = used + bavail > 0 ? used / (used + bavail) : 0;
    return {
      status: judge(share, { degradedAt, errorAt }),
      message: `${percent(share)} % used`,
      data: { path, usedPercent: percent(share), freeBytes: bavail * bsize },
    };
  };
}
