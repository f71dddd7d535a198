import type { ProjectConfig, UserProjectConfigExport } from 'vitest/config';
export declare const project: (options?: ProjectConfig) => UserProjectConfigExport;
