import { project } from '@vibeonrails/vitest-config';

export default project();
