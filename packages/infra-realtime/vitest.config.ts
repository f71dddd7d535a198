import { project } from '@vibeonrails/vitest-config';

// A contract says what is done, not how fast: a loaded machine may take its time.
export default project({ testTimeout: 60_000 });
