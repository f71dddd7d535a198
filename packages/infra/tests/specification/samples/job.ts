import { defineJob, enqueue } from '@vibeonrails/infra/queue';

const sendEmail = defineJob({
  name: 'send-email',
  schema: z.object({ to: z.string().email(), template: z.string() }),
  handler: async ({ to, template }) => { /* ... */ },
  options: { retries: 3, backoff: 'exponential' },
});

// Enqueue
await enqueue(sendEmail, { to: 'user@test.com', template: 'welcome' });
