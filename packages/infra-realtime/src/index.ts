export type { Authenticate, UpgradeSnapshot } from './admission.ts';
export type {
  Admission,
  AnyChannel,
  AuthorizeContext,
  ChannelDefinition,
  ChannelName,
  ChannelOptions,
  ChannelParams,
  EventsOf,
  Identity,
} from './channel-types.ts';
export { channel } from './channels.ts';
export type { RealtimeDriverName, RealtimeEngineName } from './config.ts';
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
  CLOSE_CODES,
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
