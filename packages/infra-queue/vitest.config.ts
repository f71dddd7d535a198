import { fileURLToPath } from 'node:url';
import { project } from '@vibeonrails/vitest-config';

/** For the thread of the BullMQ driver, which starts from its source. */
const loader = fileURLToPath(new URL('tests/fixtures/typescript.mjs', import.meta.url));

export default project({
  execArgv: ['--import', loader, '--conditions', '@vibeonrails/infra-source'],
});
