// What happens after an order: a payment that is charged once, an e-mail after it, fair between customers, and a nightly report.
// In memory as it stands; with REDIS_URL=redis://localhost in Redis, for any number of processes.
// node --import tsx --conditions @vibeonrails/infra-source examples/orders.ts
import { randomUUID } from 'node:crypto';
import { defineCron, defineJob, queue, runChain, startWorker } from '@vibeonrails/infra-queue';
import { z } from 'zod';

// Your payment provider: it takes the money, and the connection breaks before its answer is here.
let charges = 0;
const charge = async (cents: number): Promise<string> => {
  charges += 1;
  return `receipt-${charges} for ${cents} cents`;
};

const order = z.object({ customer: z.string(), cents: z.number().int(), card: z.string() });

export const pay = defineJob({
  name: 'pay',
  schema: order,
  handler: async ({ cents }, { attempt, log, once }) => {
    // Kept with the job: the second attempt gets the receipt and charges nothing.
    const receipt = await once('charge', () => charge(cents));
    log.info({ receipt }, 'paid');
    if (attempt === 1) throw new Error('the connection broke');
  },
  options: {
    backoff: { type: 'exponential', delay: '50ms' },
    timeout: '30s',
    // One customer with a thousand orders leaves slots to the others.
    concurrency: { limit: 2, key: ({ customer }) => customer },
    redact: ['card'],
    onDead: (error, { customer }, { log }) => log.error({ err: error, customer }, 'tell somebody'),
  },
});

const mailed: string[] = [];
export const confirm = defineJob({
  name: 'confirm',
  schema: z.object({ to: z.string().email() }),
  handler: ({ to }) => mailed.push(to),
  options: { rateLimit: { limit: 100, per: '1m' } },
});

defineCron({
  name: 'report',
  schedule: '0 2 * * *',
  timezone: 'Europe/Paris',
  jitter: '10m',
  handler: async ({ scheduledFor, log }) => log.info({ scheduledFor }, 'the figures of the day'),
});

const id = `order-${randomUUID()}`;
await runChain(
  [
    [pay, { customer: 'acme', cents: 4200, card: '4242 4242 4242 4242' }],
    [confirm, { to: 'buyer@example.com' }],
  ],
  { id },
);

const worker = await startWorker();
while (mailed.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
await worker.idle();
console.log({ charges, mailed }, (await queue.job(`${id}.1`))?.payload);
await worker.stop();
await queue.close();
