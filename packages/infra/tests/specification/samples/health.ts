import { registerHealthCheck } from '@vibeonrails/infra/health';

registerHealthCheck('database', async () => {
  await db.execute(sql`SELECT 1`);
  return { status: 'ok' };
});
