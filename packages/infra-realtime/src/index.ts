export type { Authenticate, UpgradeSnapshot } from './admission.ts';
export type { RealtimeDriverName, RealtimeEngineName } from './config.ts';
export {
  type Admission,
  type AnyChannel,
  type AuthorizeContext,
  type ChannelDefinition,
  type ChannelName,
  type ChannelOptions,
  type ChannelParams,
  channel,
  type EventsOf,
  type Identity,
} from './define-channel.ts';
export type { DrainOptions } from './drain.ts';
export type { BrokerMessage, DriverEvents, Position, PresenceMember, RealtimeDriver } from './driver.ts';
export type {
  EngineFactory,
  EngineOptions,
  EngineSocket,
  RealtimeEngine,
  SendOutcome,
  SocketEvents,
  UpgradeDecision,
  UpgradeListener,
  UpgradeRequest,
  UpgradeServer,
} from './engine.ts';
export type {
  UwsApp,
  UwsBehavior,
  UwsLibrary,
  UwsRequest,
  UwsResponse,
  UwsText,
  UwsWebSocket,
} from './engines/uws-library.ts';
export {
  RealtimeBrokerError,
  RealtimeChannelNameError,
  RealtimeChannelRuleError,
  RealtimeClientError,
  RealtimeClientUnknownError,
  RealtimeClosedError,
  RealtimeEngineError,
  RealtimeEventNameError,
  RealtimeLoadError,
  RealtimeOptionError,
  RealtimeOriginsError,
  RealtimePayloadError,
} from './errors.ts';
export { createRealtime } from './hub.ts';
export {
  configureRealtime,
  disconnectUser,
  getSubscribers,
  presence,
  publish,
  realtime,
  realtimeHealthCheck,
  registerClient,
  subscribe,
  toUser,
  unregisterClient,
  unsubscribe,
} from './module.ts';
export { CLOSE_CODES } from './protocol.ts';
export type {
  DeliveryCounts,
  Member,
  PublishOptions,
  Realtime,
  RealtimeClient,
  RealtimeOptions,
  RealtimeRedisOptions,
  RealtimeStats,
  RegisterOptions,
  SendResult,
  SlowPolicy,
  SubscribeOptions,
  SubscribeResult,
} from './realtime.ts';
export { createRealtimeServer, type RealtimeServer, type RealtimeServerStats } from './server.ts';
export type { RealtimeServerOptions, ServerLimitOptions } from './server-options.ts';
