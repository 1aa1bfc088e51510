// A real nats-server for benches, on loopback, and connections to it with the rights of services.
import { startTestNats } from '../support/nats-server.ts';

/** @param messaging the built libs/messaging. @returns `open(name, services)` gives a connected bus; `stop()` ends all */
export async function startBuses({ createUserNkey, credsFile, NatsBus, serviceInbox, signServiceUser }) {
  const nats = await startTestNats();
  const buses = [];
  return {
    open: async (name, services) => {
      const key = createUserNkey();
      const bus = new NatsBus({ servers: [nats.url], creds: credsFile(await signServiceUser(nats.authority, key.publicNkey, name, services), key.seed), name, inboxPrefix: serviceInbox(name), cellId: 'cell1', incarnation: () => 1 });
      await bus.ready(10_000);
      buses.push(bus);
      return bus;
    },
    stop: async () => {
      for (const bus of buses) await bus.close();
      await nats.stop();
    },
  };
}
