import * as jwt from '@nats-io/jwt';
import * as nkeys from '@nats-io/nkeys';
import { LIMITS_OF_USERS } from './limits.js';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

/** The cloud's NATS authority. Seeds are secrets: kept 0600 by whoever holds them. */
export interface NatsAuthority {
  operatorJwt: string;
  accountPublicKey: string;
  accountJwt: string;
  /** Signs users. The operator's and the account's own seeds are needed no more after this is made. */
  signingSeed: string;
  operatorSeed: string;
  accountSeed: string;
}

/** Operator, one account, and a signing key of the account: ten thousand hosts need no server reload. */
export async function createNatsAuthority(name: string): Promise<NatsAuthority> {
  const operator = nkeys.createOperator();
  const account = nkeys.createAccount();
  const signing = nkeys.createAccount();
  const operatorJwt = await jwt.encodeOperator(name, operator as never);
  const accountJwt = await jwt.encodeAccount(name, account as never, {
    signing_keys: [signing.getPublicKey()],
    limits: { conn: -1, subs: -1, leaf: 0, imports: 0, exports: 0, data: -1, payload: -1, wildcards: true },
  } as never, { signer: operator as never });
  return {
    operatorJwt, accountPublicKey: account.getPublicKey(), accountJwt,
    signingSeed: text(signing.getSeed()), operatorSeed: text(operator.getSeed()), accountSeed: text(account.getSeed()),
  };
}

export interface UserNkey { publicNkey: string; seed: string }

/** A user's own key; the seed never leaves the machine it was made on. */
export function createUserNkey(): UserNkey {
  const user = nkeys.createUser();
  return { publicNkey: user.getPublicKey(), seed: text(user.getSeed()) };
}

/** The public half of a seed. */
export const publicNkeyOf = (seed: string): string => nkeys.fromSeed(bytes(seed)).getPublicKey();

/** Content of a .creds file. */
export const credsFile = (userJwt: string, seed: string): string => text(jwt.fmtCreds(userJwt, nkeys.fromSeed(bytes(seed)) as never));

/** Gives a joining host its rights on the bus, and nothing else. */
export interface HostUserSigner { signHostUser(publicNkey: string, hostId: string): Promise<string> }

interface Rights { pub: string[]; sub: string[] }

async function signUser(authority: Pick<NatsAuthority, 'signingSeed' | 'accountPublicKey'>, publicNkey: string, name: string, rights: Rights): Promise<string> {
  return jwt.encodeUser(name, publicNkey, nkeys.fromSeed(bytes(authority.signingSeed)) as never, {
    issuer_account: authority.accountPublicKey,
    pub: { allow: rights.pub },
    sub: { allow: rights.sub },
    // A question may be answered on the asker's inbox, whatever it is, once and soon: no other publishing there.
    resp: { max: 1, ttl: LIMITS_OF_USERS.answerWithinNs },
    subs: LIMITS_OF_USERS.subscriptions, payload: LIMITS_OF_USERS.payloadBytes, data: -1,
  } as never);
}

/** A host's reply inbox; every host has its own, so that none hears another's replies. */
export const hostInbox = (hostId: string): string => `_INBOX_${hostId.replaceAll('-', '')}`;
/** A service's reply inbox. */
export const serviceInbox = (name: string): string => `_INBOX_svc_${name}`;

export function hostUserSigner(authority: Pick<NatsAuthority, 'signingSeed' | 'accountPublicKey'>): HostUserSigner {
  return {
    signHostUser: (publicNkey, hostId) => signUser(authority, publicNkey, `host ${hostId}`, {
      pub: [`host.${hostId}.>`],
      sub: [`hint.${hostId}`, `ask.${hostId}.>`, `${hostInbox(hostId)}.>`],
    }),
  };
}

/**
 * Rights of one service: it answers its own contracts, may ask those that it needs, and hears hosts only if it owns what
 * they say. An empty list forbids everything (but answers), as users that may answer have no blanket permission.
 */
const SERVICE_RIGHTS: Record<string, Rights> = {
  // Everything but claims: those are compute's alone.
  api: { pub: ['svc.identity.>', 'svc.image.>', 'svc.compute.>', 'svc.scheduler.hosts.>', 'svc.scheduler.zones.>', 'svc.scheduler.enrol-tokens.>', 'svc.scheduler.aggregates.>', 'svc.scheduler.placement.>', 'svc.scheduler.devices.>', 'svc.scheduler.device-classes.>', 'svc.scheduler.device-pools.>'], sub: [] },
  identity: { pub: [], sub: ['svc.identity.>'] },
  image: { pub: ['svc.identity.>'], sub: ['svc.image.>'] },
  // It asks hosts whether they answer, wakes them, tells compute of fences, and others of its kind that it is there; nothing else.
  scheduler: { pub: ['ask.*.echo', 'hint.*', 'svc.scheduler.peers.here', 'svc.compute.hosts.fenced', 'svc.compute.hosts.readmit', 'svc.compute.devices.trouble', 'svc.compute.devices.book-troubles', 'svc.compute.flavors.of-device-class'], sub: ['svc.scheduler.>', 'host.*.inventory', 'host.*.beat', 'host.*.devices', 'host.*.device-wishes'] },
  compute: { pub: ['svc.identity.>', 'svc.image.>', 'svc.scheduler.>', 'hint.>', 'ask.>'], sub: ['svc.compute.>', 'host.*.pull', 'host.*.report', 'host.*.image-url'] },
};

/** The rights of several services together are the launcher's. */
export function signServiceUser(authority: Pick<NatsAuthority, 'signingSeed' | 'accountPublicKey'>, publicNkey: string, name: string, services: string[]): Promise<string> {
  const rights = services.map((service) => {
    const known = SERVICE_RIGHTS[service];
    if (!known) throw new Error(`unknown service ${service}; known: ${Object.keys(SERVICE_RIGHTS).join(', ')}`);
    return known;
  });
  return signUser(authority, publicNkey, `service ${name}`, {
    pub: [...new Set(rights.flatMap((right) => right.pub))],
    sub: [...new Set([...rights.flatMap((right) => right.sub), `${serviceInbox(name)}.>`])],
  });
}

/** nats-server's configuration: loopback unless told otherwise, operator mode, accounts preloaded (works on 2.9). */
export function natsServerConfig(options: { listen: string; authority: Pick<NatsAuthority, 'operatorJwt' | 'accountPublicKey' | 'accountJwt'>; serverName: string; pidFile: string; monitorListen?: string }): string {
  const [host, port] = splitListen(options.listen);
  return [
    `server_name: ${JSON.stringify(options.serverName)}`,
    `host: ${JSON.stringify(host)}`,
    `port: ${port}`,
    ...(options.monitorListen === undefined ? [] : [`http: ${JSON.stringify(options.monitorListen)}`]),
    `pid_file: ${JSON.stringify(options.pidFile)}`,
    `operator: ${JSON.stringify(options.authority.operatorJwt)}`,
    'resolver: MEMORY',
    `resolver_preload: { ${options.authority.accountPublicKey}: ${JSON.stringify(options.authority.accountJwt)} }`,
    'max_payload: 1048576',
    'write_deadline: "5s"',
    'ping_interval: "10s"',
    'ping_max: 3',
    '',
  ].join('\n');
}

function splitListen(listen: string): [string, number] {
  const at = listen.lastIndexOf(':');
  return [listen.slice(0, at), Number(listen.slice(at + 1))];
}
