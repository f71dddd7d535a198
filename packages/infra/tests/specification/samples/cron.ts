import { defineCron } from '@vibeonrails/infra/queue';

defineCron({
  name: 'cleanup-sessions',
  schedule: '0 0 * * *', // Daily at midnight
  handler: async () => { /* cleanup logic */ },
});
