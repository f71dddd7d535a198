import { describe, it } from 'vitest';
import { memoryBus, memoryDriver } from '../src/drivers/memory.ts';
import { wsEngine } from '../src/engines/ws.ts';
import { realtimeDriverSuite, realtimeEngineSuite } from '../src/testing.ts';

let bus = memoryBus();
realtimeDriverSuite({ describe, it }, 'memory', {
  fresh: () => {
    bus = memoryBus();
  },
  connect: () => memoryDriver({ bus }),
});

realtimeEngineSuite({ describe, it }, 'ws', wsEngine);
