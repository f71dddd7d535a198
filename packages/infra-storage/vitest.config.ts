import { project } from '@vibeonrails/vitest-config';

// Some tests wait for servers and child processes, on machines that do other things too.
export default project({ testTimeout: 60_000 });
