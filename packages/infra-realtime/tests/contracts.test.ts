import { describe, it } from 'vitest';
import { memoryBus, memoryDriver } from '../src/drivers/memory.ts';
import { uwsEngine } from '../src/engines/uws.ts';
import { wsEngine } from '../src/engines/ws.ts';
import { realtimeDriverSuite, realtimeEngineSuite } from '../src/testing.ts';
import { noUws } from './uws.ts';

let bus = memoryBus();
realtimeDriverSuite({ describe, it }, 'memory', {
  fresh: () => {
    bus = memoryBus();
  },
  connect: () => memoryDriver({ bus }),
});

realtimeEngineSuite({ describe, it }, 'ws', wsEngine);
realtimeEngineSuite({ describe: noUws ? describe.skip : describe, it }, `uws${noUws}`, uwsEngine());
