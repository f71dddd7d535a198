export {
  type CheckHealthOptions,
  createHealth,
  type Health,
  type HealthCheckOptions,
  type HealthGroup,
  type HealthOptions,
} from './checks.ts';
export { checkHealth, configureHealth, healthHandler, markStarted, registerHealthCheck } from './default.ts';
export { HealthCheckDuplicateError, HealthCheckInvalidError } from './errors.ts';
export type { HealthHandlerOptions } from './handler.ts';
export { type DiskCheckOptions, disk } from './ready-made/disk.ts';
export { type EventLoopCheckOptions, eventLoop } from './ready-made/event-loop.ts';
export { type HttpCheckOptions, http } from './ready-made/http.ts';
export { type MemoryCheckOptions, memory } from './ready-made/memory.ts';
export { type TcpCheckOptions, tcp } from './ready-made/tcp.ts';
export type { HealthReport, HealthRow } from './report.ts';
