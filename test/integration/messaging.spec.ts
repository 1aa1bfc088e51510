import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hostBeat, hostHint, pullDesired, readConsoleLog } from '#libs/contracts';
import type { SkyError } from '#libs/errors';
import { createUserNkey, credsFile, hostInbox, hostUserSigner, NatsBus, serviceInbox, signServiceUser } from '#libs/messaging';
import * as jwt from '@nats-io/jwt';
import * as nkeys from '@nats-io/nkeys';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { busContract } from '../../libs/messaging/bus.contract.js';
import { startTestNats, type TestNats } from '../support/nats-server.js';

const A = '0a8e22a5-5c3b-4e53-9a4c-000000000001';
const B = '0a8e22a5-5c3b-4e53-9a4c-000000000002';
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (holds: () => boolean): Promise<void> => { for (let wait = 0; !holds() && wait < 3_000; wait += 1) await pause(10); };
let nats: TestNats;
beforeAll(async () => { nats = await startTestNats(); });
afterAll(async () => { await nats.stop(); });

/** Making some takes longer than most tests with them. */
const made = new Map<string, Promise<string>>();
function once(name: string, make: () => Promise<string>): Promise<string> {
  const known = made.get(name) ?? make();
  made.set(name, known);
  return known;
}
const serviceCreds = (name: string, services: string[]): Promise<string> => once(`${name} ${services.join()}`, async () => {
  const key = createUserNkey();
  return credsFile(await signServiceUser(nats.authority, key.publicNkey, name, services), key.seed);
});
async function serviceBus(name: string, services: string[]): Promise<NatsBus> {
  const bus = new NatsBus({ servers: [nats.url], creds: await serviceCreds(name, services), name, inboxPrefix: serviceInbox(name), cellId: 'cell1', incarnation: () => 1 });
  await bus.ready(60_000);
  return bus;
}
const hostCreds = (id: string): Promise<string> => once(id, async () => {
  const key = createUserNkey();
  return credsFile(await hostUserSigner(nats.authority).signHostUser(key.publicNkey, id), key.seed);
});
async function hostBus(id: string): Promise<NatsBus> {
  const bus = new NatsBus({ servers: [nats.url], creds: await hostCreds(id), name: id, inboxPrefix: hostInbox(id), cellId: 'cell1', incarnation: () => 1 });
  await bus.ready(60_000);
  return bus;
}

busContract('NatsBus', async () => {
  const asker = await serviceBus('asker', ['api', 'compute', 'scheduler']);
  const answerer = await serviceBus('answerer', ['compute', 'scheduler']);
  // The contract's tests let one process play control plane and hosts; hosts' subjects need a host's rights.
  const hosts = new Map<string, NatsBus>([[A, await hostBus(A)], [B, await hostBus(B)]]);
  const facade = Object.assign(Object.create(answerer) as NatsBus, {
    handle: (contract: never, handler: never, options: { group: string; hostId?: string }) => (options.hostId ? hosts.get(options.hostId) as NatsBus : answerer).handle(contract, handler, options),
    onHint: (hint: never, listener: never, options: { hostId?: string }) => (options.hostId ? hosts.get(options.hostId) as NatsBus : answerer).onHint(hint, listener, options),
  });
  return { asker, answerer: facade, settle: () => pause(60), close: async () => { await Promise.all([asker.close(), answerer.close(), ...[...hosts.values()].map((bus) => bus.close())]); } };
});

describe("a host's own credentials", () => {
  let control: NatsBus;
  let raw: NatsConnection;
  const problems: string[] = [];
  beforeAll(async () => {
    control = await serviceBus('control', ['api', 'compute', 'scheduler', 'identity', 'image']);
    raw = await connect({ servers: [nats.url], authenticator: credsAuthenticator(new TextEncoder().encode(await hostCreds(A))), inboxPrefix: hostInbox(A) });
    void (async () => { for await (const status of raw.status()) problems.push(JSON.stringify(status, (_k, v: unknown) => (v instanceof Error ? v.message : v))); })();
  });
  afterAll(async () => { await raw.close(); await control.close(); });

  it('let it say its own, with its id taken from the subject', async () => {
    const seen: (string | undefined)[] = [];
    const subscription = control.handle(pullDesired, async (_input, context) => { seen.push(context.hostId); return { incarnation: 1, epoch: 1, entries: [], upTo: 0, more: false, reportOnly: false }; }, { group: 'c' });
    const bus = await hostBus(A);
    await pause(50);
    await bus.ask(pullDesired, { bootId: 'b', since: 0 }, { hostId: A });
    expect(seen).toEqual([A]);
    await bus.close();
    await subscription.stop();
  });

  it.each([
    ["forge another host's report", `host.${B}.report`], ["pull another host's state", `host.${B}.pull`], ["beat for another", `host.${B}.beat`],
    ['wake another host', `hint.${B}`], ['ask another host', `ask.${B}.console-log`], ['ask a service', 'svc.compute.servers.list'],
    ["write into another's inbox", `${hostInbox(B)}.x.y`], ["write into a service's inbox", `${serviceInbox('control')}.x.y`],
  ])('do not let it %s', async (_what, subject) => {
    problems.length = 0;
    const reached: string[] = [];
    const spy = await spyOn(subject, reached);
    raw.publish(subject, '{}');
    await raw.flush();
    await until(() => problems.length > 0);
    await pause(50);
    expect(reached).toEqual([]);
    expect(problems.join(' ')).toMatch(/permissions violation/i);
    await spy.close();
  });

  it.each([
    ["another host's hints", `hint.${B}`], ["another host's questions", `ask.${B}.>`], ["another host's replies", `${hostInbox(B)}.>`], ["services' replies", `${serviceInbox('control')}.>`],
    ["other hosts' words", 'host.*.report'], ['everything', '>'], ['all hints', 'hint.*'], ['services', 'svc.>'], ['the old shared inbox', '_INBOX.>'],
  ])('do not let it hear %s', async (_what, subject) => {
    problems.length = 0;
    const heard: string[] = [];
    const subscription = raw.subscribe(subject, { callback: (error, message) => { if (!error) heard.push(message.subject); } });
    await raw.flush().catch(() => undefined);
    control.hint(hostHint, {}, { hostId: B });
    await control.ask(readConsoleLog, { instanceId: A as never }, { hostId: B, timeoutMs: 100 }).catch(() => undefined);
    await until(() => problems.length > 0);
    await pause(50);
    expect(heard).toEqual([]);
    expect(problems.join(' ')).toMatch(/permissions violation/i);
    subscription.unsubscribe();
  });

  it('do not let it answer a question twice or where it was not asked', async () => {
    const bus = await hostBus(A);
    bus.handle(readConsoleLog, async () => ({ output: 'mine' }), { group: 'h', hostId: A });
    await pause(50);
    expect(await control.ask(readConsoleLog, { instanceId: A as never }, { hostId: A })).toEqual({ output: 'mine' });
    await bus.close();
    problems.length = 0;
    const twice = raw.subscribe(`ask.${A}.console-log`, { callback: (_error, message) => { for (const output of ['once', 'twice']) message.respond(JSON.stringify({ output })); } });
    await raw.flush();
    expect(await control.ask(readConsoleLog, { instanceId: A as never }, { hostId: A })).toEqual({ output: 'once' });
    await raw.flush();
    await until(() => problems.length > 0);
    expect(problems.join(' ')).toMatch(/permissions violation for publish to \W*_INBOX_svc_control/i);
    twice.unsubscribe();
  });

  /** Listens with full service rights, or as host B where only B may. */
  async function spyOn(subject: string, reached: string[]): Promise<{ close(): Promise<void> }> {
    if (subject.startsWith('host.')) {
      const hint = subject.endsWith('.beat') ? control.onHint(hostBeat, () => reached.push(subject)) : control.handle({ ...pullDesired, subject: subject.replace(B, '{hostId}') }, async () => { reached.push(subject); throw new Error('no'); }, { group: 'spy' });
      await pause(30);
      return { close: () => hint.stop() };
    }
    const other = await connect({ servers: [nats.url], authenticator: credsAuthenticator(new TextEncoder().encode(await hostCreds(B))), inboxPrefix: hostInbox(B) });
    if (!subject.startsWith('svc.') && !subject.startsWith('_INBOX_svc')) other.subscribe(subject, { callback: (_error, message) => { reached.push(message?.subject ?? ''); } });
    await other.flush();
    return { close: () => other.close() };
  }
});

describe("a service's own credentials", () => {
  it.each([
    ['the API', 'api', 'svc.scheduler.claims.release'], ['the API', 'api', `ask.${A}.console-log`], ['the scheduler', 'scheduler', 'svc.compute.servers.delete'],
    ['identity', 'identity', 'svc.compute.servers.delete'], ['compute', 'compute', `host.${A}.report`], ['images', 'image', `hint.${A}`],
  ])('do not let %s (%s) say %s', async (_who, service, subject) => {
    const reached: string[] = [];
    const spy = await connect({ servers: [nats.url], authenticator: credsAuthenticator(new TextEncoder().encode(await everythingCreds())) });
    spy.subscribe(subject, { callback: (_error, message) => { reached.push(message.subject); } });
    await spy.flush();
    const raw = await connect({ servers: [nats.url], authenticator: credsAuthenticator(new TextEncoder().encode(await serviceCreds(service, [service]))), inboxPrefix: serviceInbox(service) });
    raw.publish(subject, '{}');
    await raw.flush();
    await pause(50);
    expect(reached).toEqual([]);
    await Promise.all([raw.close(), spy.close()]);
  });
});

/** A user without any limits, for listening in. */
const everythingCreds = (): Promise<string> => once('everything', async () => {
  const key = createUserNkey();
  const signing = nkeys.fromSeed(new TextEncoder().encode(nats.authority.signingSeed));
  return credsFile(await jwt.encodeUser('spy', key.publicNkey, signing as never, { issuer_account: nats.authority.accountPublicKey } as never), key.seed);
});

describe('NatsBus when nats-server is killed', () => {
  it('says unavailable at once, and works again by itself with its handlers', async () => {
    const a = await serviceBus('one', ['compute']);
    const b = await serviceBus('two', ['api']);
    const contract = { ...pullDesired, subject: 'svc.compute.test.pull' };
    a.handle(contract, async () => ({ incarnation: 1, epoch: 1, entries: [], upTo: 0, more: false, reportOnly: false }), { group: 'c' });
    await pause(50);
    await b.ask(contract, { bootId: 'x', since: 0 });
    const never = { ...contract, subject: 'svc.compute.test.never', timeoutMs: 20_000 };
    a.handle(never, () => new Promise(() => undefined), { group: 'c' });
    await pause(50);
    const underWay = b.ask(never, { bootId: 'x', since: 0 }).catch((error: SkyError) => error);
    await pause(50);
    await nats.kill();
    // Long before its time is over.
    expect(await underWay).toMatchObject({ kind: 'unavailable' });
    await expect(b.ask(contract, { bootId: 'x', since: 0 })).rejects.toMatchObject({ kind: 'unavailable' });
    await nats.start();
    let answered = false;
    for (let i = 0; i < 600 && !answered; i += 1) {
      answered = await b.ask(contract, { bootId: 'x', since: 0 }).then(() => true, () => false);
      if (!answered) await pause(100);
    }
    expect(answered).toBe(true);
    await Promise.all([a.close(), b.close()]);
  });

  it('serves and hears what was asked for while it was away', async () => {
    const a = await serviceBus('one', ['compute']);
    const b = await serviceBus('two', ['api']);
    const contract = { ...pullDesired, subject: 'svc.compute.test.late' };
    await nats.kill();
    for (let i = 0; i < 1_500 && a.connected; i += 1) await pause(20);
    a.handle(contract, async () => ({ incarnation: 1, epoch: 1, entries: [], upTo: 0, more: false, reportOnly: false }), { group: 'c' });
    await nats.start();
    let answered = false;
    for (let i = 0; i < 600 && !answered; i += 1) {
      answered = await b.ask(contract, { bootId: 'x', since: 0 }).then(() => true, () => false);
      if (!answered) await pause(100);
    }
    expect(answered).toBe(true);
    await Promise.all([a.close(), b.close()]);
  });
});

describe('what does not fit a message', () => {
  it('is said to be too large, counted in bytes', async () => {
    const bus = await serviceBus('large', ['api', 'compute']);
    const question = bus.ask(pullDesired, { bootId: 'ü'.repeat(600_000), since: 0 }, { hostId: A });
    await expect(question).rejects.toMatchObject({ kind: 'too-large' });
    await bus.close();
  });
});
