/**
 * The bus: questions with deadlines and hints that may be lost, over NATS or in memory, and its Nest transport.
 * Owns: encoding, timeouts, errors over the wire, rights on subjects. Never holds truth: what is lost here is found
 * again by the loops.
 */
export type { AskOptions, Bus, BusContext, Subscription } from './bus.js';
export { BUS } from './tokens.js';
export { InMemoryBus } from './memory-bus.js';
export { LocalFirstBus } from './local-first-bus.js';
export { NatsBus, type NatsBusOptions } from './nats-bus.js';
export { BusTransport, createBusApplication, Handles } from './nest-transport.js';
export {
  createNatsAuthority, createUserNkey, credsFile, hostInbox, hostUserSigner, natsServerConfig, publicNkeyOf, serviceInbox, signServiceUser,
  type HostUserSigner, type NatsAuthority, type UserNkey,
} from './accounts.js';
