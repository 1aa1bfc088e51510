import { busContract } from './bus.contract.js';
import { InMemoryBus } from './index.js';

busContract('InMemoryBus', async () => {
  const bus = new InMemoryBus();
  return { asker: bus, answerer: bus, settle: async () => undefined, close: () => bus.close() };
});
