export {
  type Config,
  ConfigError,
  type ConfigOptions,
  type ConfigProblem,
  type ConfigShape,
  type ConfigValues,
  checkConfig,
  defineConfig,
  describeConfig,
  type Env,
  type ReportProblem,
  type VariableDescription,
} from './config.ts';
export {
  type Carrier,
  type ContextStorage,
  contextStorage,
  currentContext,
  extract,
  type InfraContext,
  inject,
  runWithContext,
  type TraceContext,
} from './context.ts';
export { InfraError, type InfraErrorOptions, isInfraError, messageOf } from './errors.ts';
export type { HealthCheck, HealthResult, HealthStatus } from './health.ts';
export {
  type LifecycleState,
  lifecycleState,
  type OnShutdownOptions,
  onShutdown,
  type ShutdownContext,
  type ShutdownHook,
  type ShutdownHookReport,
  type ShutdownOptions,
  type ShutdownPhase,
  type ShutdownReport,
  shutdown,
} from './lifecycle.ts';
export { type Logger, type LogLevel, type LogMethod, logger } from './logger.ts';
export {
  AlreadyConfiguredError,
  defineModule,
  ModuleContractError,
  type ModuleDefinition,
  type ModuleDescriptor,
  type ModuleHandle,
  type ModuleInstance,
  modulesInUse,
  type Once,
  once,
} from './module.ts';
export type { CacheOperation, Operations, QueueOperation, StorageOperation } from './operations.ts';
export {
  bool,
  duration,
  int,
  list,
  oneOf,
  type Reader,
  type ReaderOptions,
  secret,
  text,
  url,
} from './readers.ts';
export { chooseDriver, type DriverChoice, DriverRequiredError, serviceName } from './settings.ts';
export { installSignalHandlers, type SignalOptions } from './signals.ts';
export { clearSlot, SlotContractError, slot } from './slots.ts';
export {
  formatIssue,
  isSchema,
  type Schema,
  type SchemaInput,
  type SchemaIssue,
  type SchemaOutput,
  type SchemaResult,
} from './standard-schema.ts';
export {
  type Operation,
  type OperationEvent,
  type OperationName,
  type OperationPayload,
  type OperationSubscriber,
  operation,
  subscribeOperation,
} from './telemetry.ts';
export { atDeadline, type Clock, type Duration, InvalidDurationError, systemClock, toMs } from './time.ts';
