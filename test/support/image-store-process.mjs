// The image store alone in a process (from dist/), for tests that kill it: `node image-store-process.mjs <json>`. Says
// `ready <base>` when it listens.
import { pino } from 'pino';
import { getLimits, listTokenKeys } from '#libs/contracts';
import { openDatabase } from '#libs/db';
import { createDoor } from '#libs/http';
import { createBusApplication, InMemoryBus } from '#libs/messaging';
import { ImageBusModule, ImageHttpModule } from '../../dist/apps/image-store/src/image-store.module.js';

const { url, keys, config } = JSON.parse(process.argv[2]);
const bus = new InMemoryBus();
bus.handle(listTokenKeys, async () => ({ keys }), { group: 'test' });
bus.handle(getLimits, async () => ({ limits: {}, generation: 1, incarnation: 1, known: true }), { group: 'test' });
const logger = pino({ level: 'warn' }, pino.destination(2));
const deps = { bus, db: await openDatabase({ url, name: 'image', poolSize: 8 }), config, logger };
const app = await createDoor(ImageHttpModule.register(deps), { logger });
await app.listen(0, '127.0.0.1');
await (await createBusApplication(ImageBusModule.register(deps), bus, 'image')).listen();
process.stdout.write(`ready ${(await app.getUrl()).replace(/\/$/, '')}\n`);
