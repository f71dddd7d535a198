import { project } from '@vibeonrails/vitest-config';

// A real server that comes back may take its time on a loaded machine.
export default project({ testTimeout: 60_000 });
