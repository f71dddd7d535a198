import { defineConfig, type Env } from '@vibeonrails/infra-core';
import { redisVariables } from './variables.ts';

/** Modules that can have a Redis of their own. */
export type RedisUser = 'queue' | 'cache' | 'realtime';

const OWNER = { package: '@vibeonrails/infra-redis' };

const { REDIS_URL } = redisVariables('REDIS_URL', '');
const shared = defineConfig({ REDIS_URL }, OWNER);

/** The variable that holds a module's own address. */
export const variableOf = (user: RedisUser): `${Uppercase<RedisUser>}_REDIS_URL` =>
  `${user.toUpperCase() as Uppercase<RedisUser>}_REDIS_URL`;

/** The address that the environment holds for a module, or for whoever is none. @throws `E_CONFIG` for one that is none. */
export function addressOf(user: RedisUser | undefined, env: Env | undefined): string | undefined {
  if (!user) return shared.read(env).REDIS_URL;
  const own = variableOf(user);
  // Declared when it is asked for: an application without a queue has no variable for one.
  const values = defineConfig(redisVariables(own, `the Redis of the ${user}`), OWNER).read(env);
  return values[own] ?? values.REDIS_URL;
}
