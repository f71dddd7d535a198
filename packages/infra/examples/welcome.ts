// The work behind a sign-up: a job that sends the e-mail, and a nightly cron.
import { sendEmail } from '@vibeonrails/infra/email';
import { increment } from '@vibeonrails/infra/monitoring';
import { defineCron, defineJob } from '@vibeonrails/infra/queue';
import { z } from 'zod';
import { announce } from './feed.ts';
import { countPeople } from './people.ts';

/** Sends the welcome e-mail. Retried three times, each wait longer than the one before. */
export const welcome = defineJob({
  name: 'welcome',
  schema: z.object({ signUp: z.string(), name: z.string(), email: z.email() }),
  handler: async ({ signUp, name, email }, { attempt }) => {
    await announce(signUp, 'working', `A worker took the job (attempt ${attempt}).`);
    const sent = await sendEmail('welcome', { to: email, data: { name, appName: 'Demo' } });
    const where = sent.status === 'outbox' ? `into the outbox as ${sent.id}` : `as ${sent.id}`;
    increment('welcome_emails', 1, { status: sent.status });
    await announce(signUp, 'e-mailed', `The welcome e-mail went ${where}.`);
  },
  options: { retries: 3, backoff: 'exponential' },
});

defineCron({
  name: 'nightly-count',
  schedule: '0 3 * * *',
  timezone: 'Europe/Paris',
  handler: async () => {
    await countPeople();
  },
});
