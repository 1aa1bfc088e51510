// One scheduler alone in a process (from dist/), on the real bus, for tests that kill it: `node scheduler-process.mjs <json>`.
// Says `ready` when it answers.
import { pino } from 'pino';
import { openDatabase } from '#libs/db';
import { createBusApplication, NatsBus, serviceInbox } from '#libs/messaging';
import { SchedulerModule } from '../../dist/apps/scheduler/src/scheduler.module.js';

const { url, nats, creds, name } = JSON.parse(process.argv[2]);
const db = await openDatabase({ url, name, poolSize: 4 });
const bus = new NatsBus({ servers: [nats], creds, name, inboxPrefix: serviceInbox(name), cellId: 'cell1', incarnation: () => db.incarnation });
await bus.ready(60_000);
const app = await createBusApplication(SchedulerModule.register({
  bus, db, logger: pino({ level: 'fatal' }, pino.destination(2)), signer: { signHostUser: async () => '' }, config: { natsUrls: [nats], aliveTimeoutMs: 3_600_000 },
}), bus, 'scheduler');
await app.listen();
process.stdout.write('ready\n');
