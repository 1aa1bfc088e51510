// One seed: a cloud, people who ask for things, and everything that goes wrong; first with faults and checkers (safety),
// then without faults until everything has what was wished (liveness), then everything is deleted and nothing may be left.
import { createServers, deleteServer } from '#libs/contracts';
import { check, checkEnd, checkSettled } from './checks.mjs';
import { FAULTS, giveBack } from './faults.mjs';
import { OPERATIONS } from './people.mjs';
import { Cloud, IMAGE_ID, TEMPO } from './world/cloud.mjs';
import { enter, uuid, World } from './world/time.mjs';

const SECOND = 1_000;

const choose = (random, table) => {
  let lot = random.next() * table.reduce((sum, { weight }) => sum + weight, 0);
  return table.find(({ weight }) => (lot -= weight) < 0) ?? table.at(-1);
};

/** @returns { seed, ok, broken, hash, events, statements, servers } */
export async function runSeed({ seed, store: Store, client, hosts, cell, disks, log, faults = true, twice = false }) {
  const world = new World(seed);
  if (log) world.log = log;
  enter(world);
  const store = new Store(world, client);
  await store.begin();
  try {
    const size = world.random.chance(0.1) ? hosts.length : 2 + world.random.int(5);
    await client.query({ text: 'DELETE FROM scheduler.host_beats WHERE host_id <> ALL($1)', values: [hosts.slice(0, size).map(({ id }) => id)] });
    const cloud = new Cloud(world, store, hosts.slice(0, size), cell);
    cloud.network.twice = twice;
    cloud.network.weather = { lose: 0, double: faults ? 0.02 : 0, delayMs: 1, mostMs: 30 };
    const play = new Play(cloud, disks, faults);
    cloud.start();
    const lengthMs = world.random.between(30, 100) * SECOND;
    play.begin();
    await play.watch(lengthMs);
    play.heal();
    // Who is down at this moment comes back first, and says what it sees.
    await world.run(world.now + 45 * SECOND, () => cloud.broken.length > 0);
    await play.untilSettled('liveness');
    await checkSettled(cloud);
    await play.deleteAll();
    await play.untilSettled('clean-up');
    await world.run(world.now + 90 * SECOND, () => cloud.broken.length > 0 || [...cloud.there.values()].every((places) => places.size === 0));
    await checkEnd(cloud);
    return { seed, ok: cloud.broken.length === 0, broken: cloud.broken, hash: world.hash.digest('hex'), events: world.events, statements: store.statements, servers: play.servers.length, virtualS: Math.round(world.now / 1000), kinds: play.kinds };
  } finally {
    await store.end();
  }
}

class Play {
  servers = [];
  /** The list of servers as it was seen last. */
  list = [];
  kinds = {};
  over = false;
  constructor(cloud, disks, faults) { this.cloud = cloud; this.world = cloud.world; this.random = cloud.world.random; this.disks = disks; this.faults = faults; }

  later(ms, task) { this.world.after(ms, task, null); }
  calm() { this.cloud.network.weather = { lose: 0, double: 0, delayMs: 1, mostMs: 30 }; }
  caller(isAdmin = false) { return { userId: 'u1', userName: 'demo', projectId: 'p1', projectName: 'p1', domainId: 'default', roles: ['member'], isAdmin, requestId: `req-${uuid()}` }; }
  ask(contract, input) { return this.cloud.client.ask(contract, input).then(() => true, (error) => { this.world.trace(`client: ${error.kind} ${error.message.slice(0, 60)}`); return false; }); }

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
    this.later(3_000, () => next(OPERATIONS, this.random.between(600, 4_000)));
    if (this.faults) this.later(6_000, () => next(FAULTS, this.random.between(3_000, 15_000)));
  }

  create(count) {
    const ids = Array.from({ length: count }, () => uuid());
    this.servers.push(...ids);
    const input = {
      caller: this.caller(), instanceIds: ids, minCount: 1, name: 'web', hostname: null, description: null, flavorId: this.random.pick(['42', '1', '2']), imageId: IMAGE_ID, keyName: null, userData: null,
      metadata: {}, tags: [], availabilityZone: null, requestedHost: null, reservationId: 'r-12345678',
    };
    // Who got no answer asks again with the same ids.
    void this.ask(createServers, input).then((done) => { if (!done) this.later(3_000, () => { if (!this.over) void this.ask(createServers, input); }); });
  }

  /** Mostly of one that fits, as the list shows it; now and then of any. */
  act(contract, { input = {}, fits } = {}) {
    void this.#choose(fits).then((id) => (id === undefined ? undefined : this.ask(contract, { caller: this.caller(this.random.chance(0.1)), instanceId: id, ...input })));
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
    if (host.process.state === 'alive' && host.machine) host.machine.guestStops(id, power);
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

  async watch(lengthMs) {
    for (let at = 0; at < lengthMs && this.cloud.broken.length === 0; at += 2_500) {
      await this.world.run(this.world.now + 2_500, () => this.cloud.broken.length > 0);
      this.list = await this.cloud.store.look("SELECT id, intent, step, move_phase, locked FROM compute.instances WHERE deleted_at IS NULL AND intent <> 'deleted' ORDER BY number");
      await check(this.cloud);
    }
  }

  heal() {
    this.over = true;
    this.world.trace('* faults end');
    const { cloud } = this;
    cloud.store.hook = {};
    cloud.store.down = cloud.network.down = false;
    this.calm();
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
      await check(this.cloud);
      const open = await this.cloud.store.look("SELECT id, intent, step, move_kind, move_phase, hold, elsewhere, waiting_for, last_error FROM compute.instances WHERE deleted_at IS NULL AND (step NOT IN ('settled', 'failed') OR intent = 'deleted' OR withdrawn OR reconcile_at IS NOT NULL OR move_phase <> 'verify' OR (elsewhere > 0 AND move_phase IS NULL)) ORDER BY number");
      if (open.length === 0) return;
      if (this.world.now > end) { this.cloud.violated('stuck', `${phase}: ${JSON.stringify(open[0])}`); return; }
    }
  }

  async deleteAll() {
    const rows = await this.cloud.store.look("SELECT id FROM compute.instances WHERE intent <> 'deleted' ORDER BY number");
    for (const { id } of rows) this.later(this.random.between(0, 2_000), () => this.#deleteSurely(id));
    await this.world.run(this.world.now + 4_000);
  }
  #deleteSurely(id) { void this.ask(deleteServer, { caller: this.caller(true), instanceId: id }).then((done) => { if (!done) this.later(500, () => this.#deleteSurely(id)); }); }
}
