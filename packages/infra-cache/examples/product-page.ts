// A page from slow data: loaded once however many ask, fresh after a change, and served also while Redis is away.
// In memory as it stands; with REDIS_URL=redis://localhost for all processes together.
// node --import tsx --conditions @vibeonrails/infra-source examples/product-page.ts
import { cache, configureCache } from '@vibeonrails/infra-cache';
import { isInfraError } from '@vibeonrails/infra-core';
import { serve } from '@vibeonrails/infra-core/http';

interface Product {
  readonly id: string;
  readonly name: string;
  readonly price: number;
  readonly changed: Date;
}

// Your database.
let queries = 0;
const products = new Map<string, Product>([['7', { id: '7', name: 'Lamp', price: 80, changed: new Date() }]]);
async function selectProduct(id: string): Promise<Product | null> {
  queries += 1;
  return products.get(id) ?? null;
}

// Hot entries stay in this process; a change in another one takes them out.
configureCache({ memory: true, namespace: `shop-${process.pid}` });

/** `null`, for a product that does not exist, is kept as well: nobody can have the database asked for it again and again. */
const product = (id: string): Promise<Product | null> =>
  cache.getOrSet(`product:${id}`, '5m', () => selectProduct(id));

async function changePrice(id: string, price: number): Promise<void> {
  const former = await selectProduct(id);
  if (!former) return;
  products.set(id, { ...former, price, changed: new Date() });
  // After the change, and before anybody is told of it. Where Redis is away, the old price may show for five minutes.
  await cache.delete(`product:${id}`).catch((error: unknown) => {
    if (!isInfraError(error) || !error.retryable) throw error;
    console.warn('the old price may be served for a while:', error.message);
  });
}

async function handle(request: Request): Promise<Response> {
  const [, , id = ''] = new URL(request.url).pathname.split('/');
  const found = await product(id);
  if (!found) return new Response('no such product', { status: 404 });
  const views = await cache.increment(`views:${id}`, '1d').catch(() => undefined);
  return Response.json({ ...found, ...(views === undefined ? {} : { views }) });
}

const server = await serve(handle);
const visit = async (path: string): Promise<string> => (await fetch(server.url + path)).text();

const visitors = await Promise.all(Array.from({ length: 20 }, () => visit('/products/7')));
console.log(`${visitors.length} visitors, ${queries} query`);
await changePrice('7', 72);
console.log(await visit('/products/7'));
console.log(await visit('/products/8'));

await server.close();
await cache.clear();
await cache.close();
