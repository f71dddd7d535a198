/**
 * A shop that is scraped: what it counts, how long its orders take, how deep its queue is. It serves itself once and
 * prints what Prometheus would read. Run it with
 * `node --import tsx --conditions @vibeonrails/infra-source examples/metrics.ts`.
 */
import { serve } from '@vibeonrails/infra-core/http';
import {
  collectProcessMetrics,
  describe,
  increment,
  metricsHandler,
  registry,
  time,
  withSpan,
} from '@vibeonrails/infra-monitoring';

const waiting = ['order-4', 'order-5'];

// What a name alone does not say. Everything else needs no declaration.
describe('order_value_euros', {
  type: 'histogram',
  help: 'What customers spend.',
  buckets: [10, 25, 50, 100, 250, 1000],
});
// Asked at each scrape; it may be asynchronous.
registry.collect(async () => registry.gauge('orders_waiting', waiting.length));
const stopProcessMetrics = collectProcessMetrics({ gc: true });

async function placeOrder(shop: string, euros: number): Promise<void> {
  // In a span, so that the buckets of its durations lead to a trace.
  await withSpan('place-order', async () => {
    await time('order_seconds', () => new Promise((resolve) => setTimeout(resolve, 5)), { shop });
    registry.observe('order_value_euros', euros, { shop });
    increment('orders', 1, { shop, outcome: 'accepted' });
  });
}

await Promise.all([placeOrder('berlin', 19.9), placeOrder('berlin', 240), placeOrder('paris', 75)]);

const token = process.env.METRICS_TOKEN ?? 'keep-me-secret';
const server = await serve(metricsHandler({ token }));
// Prometheus asks for OpenMetrics, which has exemplars.
const headers = { authorization: `Bearer ${token}`, accept: 'application/openmetrics-text' };
const scrape = await fetch(`${server.url}/metrics`, { headers });
const lines = (await scrape.text()).split('\n');
console.log(lines.filter((line) => line.startsWith('order') || line.startsWith('process_')).join('\n'));

stopProcessMetrics();
await server.close();
