// In an application with two copies of infra-queue: a job that one copy defines and enqueues is run by the worker of
// the other. Arguments: the package that enqueues, the package that works, and `enqueue` or `work` where each is a
// process of its own on Redis; without, both are this process on the memory driver.
import assert from 'node:assert/strict';

const [enqueuing, working, role] = process.argv.slice(2);
const [a, b] = [await import(enqueuing), await import(working)];

const schema = {
  '~standard': { version: 1, vendor: 'app', validate: (value) => ({ value }) },
};
const ran = Promise.withResolvers?.() ?? {};
ran.promise ??= new Promise((resolve) => {
  ran.resolve = resolve;
});
const definition = { name: 'greet', schema, handler: (payload) => ran.resolve(payload) };

if (!role) assert.notEqual(a.enqueue, b.enqueue, 'two copies of infra-queue');
const job = (role === 'work' ? b : a).defineJob(definition);
if (role !== 'work') {
  const { status } = await a.enqueue(job, { to: 'ada' });
  assert.equal(status, 'enqueued');
}
if (role !== 'enqueue') {
  const worker = await b.startWorker();
  assert.deepEqual(await ran.promise, { to: 'ada' });
  await worker.stop();
}
await b.queue.close();
await a.queue.close();
