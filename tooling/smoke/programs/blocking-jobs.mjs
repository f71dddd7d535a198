// A module for `infra-queue work`: a job that blocks the event loop. Run by itself, it enqueues one and prints its id.
// @boundaries-ignore it is installed where this file is copied to
import { defineJob, enqueue, queue } from '@vibeonrails/infra-queue';

const job = defineJob({
  name: 'blocking',
  schema: { '~standard': { version: 1, vendor: 'app', validate: (value) => ({ value }) } },
  handler: ({ ms }, { id, attempt }) => {
    console.log(`start ${id} ${attempt}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    console.log(`end ${id} ${attempt}`);
  },
});
if (process.argv[2] === 'enqueue') {
  const { id } = await enqueue(job, { ms: 10_000 });
  console.log(id);
  await queue.close();
}
