// One seed: a cloud, people who ask for things, and everything that goes wrong; first with faults and checkers (safety),
// then without faults until everything has what was wished (liveness), then everything is deleted and nothing may be left.
import { createServers, deleteServer } from '#libs/contracts';
import { check, checkClaims, checkEnd, checkSettled, checkUsage } from './checks.mjs';
import { checkDevices, checkDevicesEnd, checkDevicesSettled, checkHolders } from './device-checks.mjs';
import { trouble } from './device-faults.mjs';
import { FAULTS, giveBack } from './faults.mjs';
import { OPERATIONS } from './people.mjs';
import { tour } from './tour.mjs';
import { Cloud, IMAGE_ID, TEMPO } from './world/cloud.mjs';
import { Devices } from './world/devices.mjs';
import { enter, uuid, World } from './world/time.mjs';

const SECOND = 1_000;

const choose = (random, table) => {
  let lot = random.next() * table.reduce((sum, { weight }) => sum + weight, 0);
  return table.find(({ weight }) => (lot -= weight) < 0) ?? table.at(-1);
};

/** @returns { seed, ok, broken, hash, events, statements, servers } */
export async function runSeed({ seed, store: Store, client, hosts, cell, disks, log, faults = true, twice = false, hard = false, devices = false, way, crashAt }) {
  const world = new World(seed);
  if (log) world.log = log;
  enter(world);
  const store = new Store(world, client);
  await store.begin();
  try {
    const size = way !== undefined ? 3 : world.random.chance(0.1) ? hosts.length : 2 + world.random.int(5);
    await client.query({ text: 'DELETE FROM scheduler.host_beats WHERE host_id <> ALL($1)', values: [hosts.slice(0, size).map(({ id }) => id)] });
    // The others are rows without a host: nobody waits for their adoption after a restore.
    await client.query({ text: 'UPDATE scheduler.hosts SET adopted_incarnation = 2147483647 WHERE id <> ALL($1)', values: [hosts.slice(0, size).map(({ id }) => id)] });
    const cloud = new Cloud(world, store, hosts.slice(0, size), cell);
    cloud.network.twice = twice;
    cloud.network.weather = { lose: 0, double: faults ? 0.02 : 0, delayMs: 1, mostMs: 30 };
    if (devices && way === undefined) cloud.devices = Devices.of(seed, cloud);
    const play = new Play(cloud, disks, faults, hard);
    // Some machines are slow all their life: what they are doing is seen from outside.
    if (faults) for (const host of cloud.hosts) if (world.random.chance(0.3)) host.slowMs = world.random.between(200, 2_500);
    if (faults && world.random.chance(0.3)) store.slowness = world.random.between(5, 30);
    cloud.start();
    cloud.crashAt = crashAt;
    store.committed = async (process) => { if (process.kind !== 'scheduler' || store.open) return; await checkClaims(cloud); await checkHolders(cloud); };
    const lengthMs = world.random.between(30, 80) * SECOND;
    if (way === undefined) {
      play.begin();
      await play.watch(lengthMs);
    } else if (!(await tour(play, way))) cloud.violated('stuck', 'the tour does not end');
    play.heal();
    // Who is down at this moment comes back first, and says what it sees.
    await world.run(world.now + 45 * SECOND, () => cloud.broken.length > 0);
    cloud.quietSince = world.now;
    await play.untilSettled('liveness');
    await checkSettled(cloud);
    await checkDevicesSettled(cloud);
    await play.deleteAll();
    await play.untilSettled('clean-up');
    // A host that lost its last writes remembers what nobody names until four whole answers have left it out.
    await world.run(world.now + 700 * SECOND, () => cloud.broken.length > 0 || cloud.isEmpty);
    await checkUsage(cloud, play.caller(true));
    await checkEnd(cloud);
    await checkDevicesEnd(play);
    const moves = await store.look("SELECT kind || ' ' || status || CASE WHEN kind = 'resize' THEN CASE WHEN dest_host_id = source_host_id THEN ' (same host)' ELSE '' END ELSE '' END AS name, count(*)::int AS count FROM compute.migrations GROUP BY 1 ORDER BY 1");
    for (const { name, count } of moves) play.kinds[`= ${name}`] = count;
    for (const { kind, count } of await store.look('SELECT kind, count(*)::int AS count FROM compute.instance_events GROUP BY 1 ORDER BY 1')) play.kinds[`~ ${kind}`] = count;
    if (cloud.devices) for (const { kind, count } of await store.look('SELECT kind, count(*)::int AS count FROM scheduler.device_history GROUP BY 1 ORDER BY 1')) play.kinds[`# ${kind}`] = count;
    return { seed, ok: cloud.broken.length === 0, broken: cloud.broken, hash: world.hash.digest('hex'), events: world.events, statements: store.statements, commits: store.commits, steps: cloud.steps, servers: play.servers.length, virtualS: Math.round(world.now / 1000), kinds: play.kinds };
  } finally {
    await store.end();
  }
}

class Play {
  servers = [];
  /** The list of servers as it was seen last. */
  list = [];
  kinds = {};
  /** The kind of the error that was heard last: read at once by who asked. */
  lastError;
  over = false;
  constructor(cloud, disks, faults, hard) { this.hard = hard; this.cloud = cloud; this.world = cloud.world; this.random = cloud.world.random; this.disks = disks; this.faults = faults; }

  later(ms, task) { this.world.after(ms, task, null); }
  calm() { this.cloud.network.weather = { lose: 0, double: 0, delayMs: 1, mostMs: 30 }; }
  caller(isAdmin = false) { return { userId: 'u1', userName: 'demo', projectId: 'p1', projectName: 'p1', domainId: 'default', roles: ['member'], isAdmin, requestId: `req-${uuid()}` }; }
  ask(contract, input) { return this.cloud.client.ask(contract, input).then(() => { const name = `> ${contract.subject.replace('svc.compute.', '').replace('svc.', '')}`; this.kinds[name] = (this.kinds[name] ?? 0) + 1; return true; }, (error) => { this.lastError = error.kind; this.world.trace(`client: ${error.kind} ${error.message.slice(0, 60)}`); return false; }); }

  begin() {
    const next = (table, mean) => {
      this.later(this.random.delay(mean, 20_000) + 50, () => {
        if (this.over) return;
        const one = choose(this.random, table);
        this.kinds[one.name] = (this.kinds[one.name] ?? 0) + 1;
        this.world.trace(`* ${one.name}`);
        one.run(this);
        next(table, mean);
      });
    };
    // Each seed has its likings: some operations it never asks for, some often.
    const liked = OPERATIONS.map((one) => ({ ...one, weight: one.name === 'create' ? one.weight : one.weight * this.random.pick([0, 1, 1, 1, 4]) }));
    this.later(3_000, () => next(liked, this.random.between(250, 1_500)));
    if (this.cloud.devices) trouble(this, this.faults, choose);
    if (this.faults) this.later(6_000, () => next(FAULTS, this.random.between(2_500, 12_000)));
  }

  /** Of some seeds: often one that asks for devices. */
  flavor(otherwise) { return this.cloud.devices?.flavor(otherwise) ?? otherwise; }

  create(count, flavorId = this.flavor(this.random.pick(['42', '1', '2']))) {
    const ids = Array.from({ length: count }, () => uuid());
    this.servers.push(...ids);
    const input = {
      caller: this.caller(), instanceIds: ids, minCount: 1, name: 'web', hostname: null, description: null, flavorId, imageId: IMAGE_ID, keyName: null, userData: null,
      metadata: {}, tags: [], availabilityZone: null, requestedHost: null, reservationId: 'r-12345678',
    };
    // Who got no answer asks again with the same ids.
    const attempt = (left) => void this.ask(createServers, input).then((done) => { if (!done && left > 0) this.later(3_000, () => { if (!this.over) attempt(left - 1); }); });
    attempt(5);
    return ids;
  }

  /** Mostly of one that fits, as the list shows it; now and then of any. */
  act(contract, { input = {}, fits } = {}) {
    void this.#choose(fits).then((id) => (id === undefined ? undefined : this.ask(contract, { caller: this.caller(this.random.chance(0.1)), instanceId: id, ...input })));
  }

  burst(requests) {
    void this.#choose(() => true).then((id) => {
      if (id === undefined) return;
      for (let n = 2 + this.random.int(3); n > 0; n -= 1) {
        const [contract, input] = this.random.pick(requests);
        this.later(this.random.between(0, 60), () => void this.ask(contract, { caller: this.caller(true), instanceId: id, ...input }));
      }
    });
  }

  resetState(contract) {
    void this.#choose((row) => row.step === 'failed').then((id) => {
      if (id === undefined) return;
      const state = this.random.chance(0.5) ? 'active' : 'error';
      if (state === 'error') this.cloud.setToError.add(id);
      void this.ask(contract, { caller: this.caller(true), instanceId: id, state });
    });
  }

  async #choose(fits) {
    if (this.servers.length === 0) return undefined;
    const fitting = fits === undefined || this.random.chance(0.2) ? [] : this.list.filter(fits).map(({ id }) => id);
    return this.random.pick(fitting.length > 0 ? fitting : this.servers);
  }

  guestEnds(power) {
    const on = this.cloud.hosts.flatMap((host) => [...this.cloud.there].filter(([, places]) => places.get(host.name) === 'running').map(([id]) => ({ host, id })));
    if (on.length === 0) return;
    const { host, id } = this.random.pick(on);
    if (host.process.state !== 'alive' || !host.machine) return;
    this.cloud.ended.add(id);
    this.world.in(host.process, () => host.machine.guestStops(id, power));
  }

  crashAtCommit() {
    const { store } = this.cloud;
    const before = this.random.chance(0.5);
    const hook = (process) => {
      store.hook = {};
      const one = this.cloud.all.find((each) => each.process === process);
      if (one === undefined) return undefined;
      this.cloud.crash(one);
      return 'dead';
    };
    store.hook = before ? { before: hook } : { after: hook };
  }

  /** A process stands still right after it has read what it decides by: when it goes on, the world is another one. */
  stall() {
    const { store } = this.cloud;
    const ms = this.random.between(5_000, 25_000);
    const what = this.random.pick([/FROM compute\.migrations WHERE uuid/, /FROM compute\.instances WHERE id = ANY/]);
    store.hook = { read: (process, text) => {
      const one = process.kind === 'compute' && what.test(text) ? this.cloud.all.find((each) => each.process === process) : undefined;
      if (one === undefined) return;
      store.hook = {};
      this.cloud.freeze(one, ms);
    } };
  }

  async watch(lengthMs) {
    for (let at = 0; at < lengthMs && this.cloud.broken.length === 0; at += 2_500) {
      await this.world.run(this.world.now + 2_500, () => this.cloud.broken.length > 0);
      this.list = await this.cloud.store.look("SELECT id, intent, step, host_id, move_phase, locked FROM compute.instances WHERE deleted_at IS NULL AND intent <> 'deleted' ORDER BY number");
      if (!(await this.committed())) continue;
      await check(this.cloud);
      await checkDevices(this.cloud);
    }
  }

  /** Between two transactions; false: somebody keeps one open and stands still. */
  async committed() {
    const { store } = this.cloud;
    for (let tries = 0; store.open && tries < 40; tries += 1) await this.world.run(this.world.now + 3);
    return !store.open;
  }

  heal() {
    this.over = true;
    this.world.trace('* faults end');
    const { cloud } = this;
    cloud.store.hook = {};
    cloud.store.down = cloud.network.down = false;
    this.calm();
    cloud.devices?.heal();
    for (const one of cloud.all) {
      one.cut = one.bus.cut = false;
      one.process.skewMs = 0;
      if (one.kind === 'host') { one.errors = 0; Object.assign(this.disks(one.name), { slowMs: 0, failing: 0 }); }
      this.world.thaw(one.process);
    }
    cloud.network.tell();
    for (const host of cloud.hosts) if (host.lost || host.fencedOnce || cloud.fencedOnce.has(host.name)) giveBack(this, host);
  }

  /** Nothing is on its way any more, within the time that deadlines allow. */
  async untilSettled(phase) {
    const end = this.world.now + TEMPO.buildDeadlineMs * 3;
    while (this.cloud.broken.length === 0) {
      await this.world.run(this.world.now + 3_000, () => this.cloud.broken.length > 0);
      if (!(await this.committed())) continue;
      await check(this.cloud);
      await checkDevices(this.cloud);
      const open = await this.cloud.store.look("SELECT id, intent, step, move_kind, move_phase, hold, elsewhere, waiting_for, last_error FROM compute.instances WHERE deleted_at IS NULL AND (step NOT IN ('settled', 'failed') OR intent = 'deleted' OR withdrawn OR reconcile_at IS NOT NULL OR move_phase <> 'verify' OR (elsewhere > 0 AND move_phase IS NULL)) ORDER BY number");
      const departures = await this.cloud.store.look('SELECT host_id, instance_id FROM compute.departures');
      open.push(...departures);
      // What shall have devices, or fewer, and is neither halted nor on its way.
      if (this.cloud.devices) open.push(...await this.cloud.store.look("SELECT id, intent, step, attachments FROM compute.instances i WHERE deleted_at IS NULL AND step = 'settled' AND intent IN ('running', 'stopped') AND move_phase IS NULL AND EXISTS (SELECT FROM jsonb_array_elements(attachments) a WHERE a ->> 'wanted' = 'detached' OR a ->> 'attached' = 'false') ORDER BY number"));
      if (open.length === 0 && !this.cloud.adopting) return;
      if (this.world.now > end) { this.cloud.violated('stuck', `${phase}: ${JSON.stringify(open[0] ?? 'a host is not adopted')}`); return; }
    }
  }

  async deleteAll() {
    const rows = await this.cloud.store.look("SELECT id FROM compute.instances WHERE intent <> 'deleted' ORDER BY number");
    for (const { id } of rows) this.later(this.random.between(0, 2_000), () => this.#deleteSurely(id));
    await this.world.run(this.world.now + 4_000);
  }
  #deleteSurely(id) { void this.ask(deleteServer, { caller: this.caller(true), instanceId: id }).then((done) => { if (!done) this.later(500, () => this.#deleteSurely(id)); }); }
}
