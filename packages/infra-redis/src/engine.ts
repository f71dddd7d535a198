/* What talks to a server. It is loaded with the first client, so that importing the package costs next to nothing. */
export { commandError } from './classify.ts';
export { checkConnections } from './health.ts';
export { makeClient, tlsOf } from './ioredis.ts';
export { findTlsProblem } from './tls-problem.ts';
export { untilReady } from './until-ready.ts';
export { watch } from './watch.ts';
