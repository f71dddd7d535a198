/// <reference types="node" preserve="true" />
export { type FetchHandler, type NodeHandler, toNodeHandler } from './node-handler.ts';
export { ListenError, type RunningServer, type ServeOptions, serve } from './serve.ts';
