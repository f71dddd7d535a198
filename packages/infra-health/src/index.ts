export {
  type CheckHealthOptions,
  createHealth,
  type Health,
  type HealthCheckOptions,
  type HealthGroup,
  type HealthOptions,
} from './checks.ts';
export { HealthCheckDuplicateError, HealthCheckInvalidError } from './errors.ts';
export type { HealthHandlerOptions } from './handler.ts';
export { checkHealth, configureHealth, healthHandler, markStarted, registerHealthCheck } from './module.ts';
export {
  type DiskCheckOptions,
  disk,
  type EventLoopCheckOptions,
  eventLoop,
  type HttpCheckOptions,
  http,
  type MemoryCheckOptions,
  memory,
  type TcpCheckOptions,
  tcp,
} from './ready-made.ts';
export type { HealthReport, HealthRow } from './report.ts';
