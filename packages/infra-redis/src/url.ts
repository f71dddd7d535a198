export { parseRedisUrl } from './connect.ts';
export { describeTarget, REDIS_URL_FORM, type RedisTarget, redisVariables } from './variables.ts';
