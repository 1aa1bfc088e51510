// What goes wrong with devices, and what operators do with classes, pools and devices meanwhile.
import { attachDevices, createDevicePool, deleteDevicePool, detachDevices, releaseDevice, rescanDevices, updateDevicePool } from '#libs/contracts';
import { CARDS, NICS, POOLS, VFS } from './world/device-stock.mjs';
import { uuid } from './world/time.mjs';

const there = (host, fits) => [...host.kernel.state.functions.values()].filter((one) => one.present && !one.shape.bridge && one.shape.protectedBy === undefined && fits(one));
const pfs = (host) => there(host, (one) => one.vf === null && one.shape.sriov !== undefined);
const vfs = (host) => there(host, (one) => one.vf !== null);
/** Mostly one that a guest has. */
const favourite = (random, list) => { const used = list.filter(({ user }) => user !== null); return random.pick(used.length > 0 && random.chance(0.6) ? used : list); };
const WRITES = ['vfs', 'numvfs', 'autoprobe', 'override', 'unbind', 'probe', 'reset', 'reset', 'vf', 'vf', 'link', 'read'];
const ERRORS = ['EIO', 'EBUSY', 'EINVAL', 'ENODEV', 'ENOTTY', 'EPERM', 'ENOENT', 'ERANGE', 'EAGAIN'];

/** It falls off the bus, and comes back, unless its PF has made other VFs since. */
function vanish({ devices }, { kernel }, one, play) {
  if (one.user !== null) devices.robbed.add(one.user.domain);
  for (const vf of one.vfs) if (vf.user !== null) devices.robbed.add(vf.user.domain);
  kernel.vanish(one.address);
  play.later(devices.random.between(500, 25_000), () => {
    const now = kernel.state.functions.get(one.key);
    if (now !== undefined && !now.present && (now.vf === null || now.vf.pf.present)) kernel.comeBack(one.key);
  });
}

/** Each with a host that has devices. */
const FAULTS = [
  { name: 'pci-errno', weight: 5, run: ({ devices: { random } }, host) => { for (let n = 1 + random.int(4); n > 0; n -= 1) host.kernel.failNext(random.pick(WRITES), random.pick(ERRORS)); } },
  { name: 'pci-hang', weight: 2, run: ({ devices: { random } }, host, play) => {
    const list = pfs(host);
    if (list.length === 0) return;
    const one = random.pick(list);
    host.kernel.hang(one.address);
    play.later(random.between(2_000, 25_000), () => { if (one.present) host.kernel.unhang(one.address, { killed: random.chance(0.3) }); });
  } },
  { name: 'vf-vanishes', weight: 2, run: (cloud, host, play) => { const list = vfs(host); if (list.length > 0) vanish(cloud, host, favourite(cloud.devices.random, list), play); } },
  { name: 'card-vanishes', weight: 1, run: (cloud, host, play) => { const list = there(host, ({ vf }) => vf === null); if (list.length > 0) vanish(cloud, host, favourite(cloud.devices.random, list), play); } },
  { name: 'cable-out', weight: 1, run: ({ devices: { random } }, host, play) => {
    const list = pfs(host);
    if (list.length === 0) return;
    const one = random.pick(list);
    host.kernel.link(one.address, false);
    play.later(random.between(1_000, 20_000), () => { if (one.present) host.kernel.link(one.address, true); });
  } },
  { name: 'bus-errors', weight: 1, run: ({ devices: { random } }, host) => { const list = there(host, ({ vf }) => vf === null); if (list.length > 0) host.kernel.aer(random.pick(list).address, random.pick(['fatal', 'nonfatal', 'correctable'])); } },
  { name: 'guest-mac', weight: 3, run: ({ devices }, host) => {
    const list = vfs(host).filter(({ user }) => user !== null);
    if (list.length === 0) return;
    const one = devices.random.pick(list);
    const mac = `02:${[1, 2, 3, 4, 5].map(() => devices.random.int(256).toString(16).padStart(2, '0')).join(':')}`;
    devices.tookMac(mac, one.user.domain);
    host.kernel.leave(one.address, { mac, vlan: devices.random.pick([0, 42]) });
  } },
  { name: 'guest-deaf', weight: 3, run: ({ devices, world }, host, play) => {
    const used = there(host, ({ user }) => user !== null);
    if (used.length === 0 || host.process.state !== 'alive' || !host.machine) return;
    const { domain } = devices.random.pick(used).user;
    const say = (deaf) => { if (host.process.state === 'alive' && host.machine) world.in(host.process, () => host.machine.guestDeaf(domain, deaf)); };
    say(true);
    play.later(devices.random.between(2_000, 40_000), () => say(false));
  } },
  { name: 'crash-at-bus', weight: 4, run: ({ devices }, host) => devices.dieAt(host, { when: devices.random.pick(['before', 'after']), n: 1 + devices.random.int(5) }) },
  { name: 'crash-at-device-book', weight: 4, run: ({ devices }, host) => devices.dieAt(host, { when: 'booked', n: 1 + devices.random.int(8) }) },
  { name: 'power-cycle', weight: 3, run: (cloud, host) => { if (host.lost !== true) cloud.reboot(host); } },
];

const write = (play) => ({ caller: play.caller(true), dryRun: play.cloud.devices.random.chance(0.1), yesReally: play.cloud.devices.random.chance(0.7) });
const rests = (row) => row.step === 'settled' && row.move_phase === null;
/** What people do with the devices of servers that are there: mostly of those whose host has any. */
const PLUGS = [
  { name: 'device-attach', weight: 2, run: (play, random) => {
    const where = new Set(play.cloud.devices.hosts.map(({ id }) => id));
    const fitting = play.list.filter((row) => rests(row) && (row.intent === 'running' || row.intent === 'stopped') && (where.has(row.host_id) || random.chance(0.05)));
    if (fitting.length === 0) return;
    const input = { caller: play.caller(), instanceId: random.pick(fitting).id, attachment: uuid(), className: random.pick(['fast-net', 'fast-net', 'accel']), count: random.pick([1, 1, 2]), vlan: null };
    // Who got no answer asks again, for the same one.
    for (const ms of random.chance(0.3) ? [0, random.between(1, 5_000)] : [0]) play.later(ms, () => { if (!play.over) void play.ask(attachDevices, input); });
  } },
  { name: 'device-detach', weight: 1, run: async (play, random) => {
    const rows = await play.cloud.store.look("SELECT i.id, a ->> 'id' AS attachment FROM compute.instances i, jsonb_array_elements(i.attachments) a WHERE i.deleted_at IS NULL ORDER BY i.number, 2");
    if (rows.length === 0 || play.over) return;
    const { id, attachment } = random.pick(rows);
    void play.ask(detachDevices, { caller: play.caller(), instanceId: id, attachment });
  } },
];
const ACTS = [
  { name: 'pool-count', weight: 4, run: (play, random) => play.ask(updateDevicePool, { ...write(play), id: POOLS.nics, change: { vfCount: random.pick([1, 2, 3, 4, null]) } }) },
  { name: 'pool-policy', weight: 1, run: (play, random) => play.ask(updateDevicePool, { ...write(play), id: POOLS.nics, change: { driver: random.pick(['vfio-pci', 'vfio-pci', 'kernel']) } }) },
  { name: 'pool-delete', weight: 2, run: (play, random) => play.ask(deleteDevicePool, { ...write(play), id: random.pick([POOLS.nics, POOLS.cards]) }).then((done) => { if (done) play.later(random.between(1_000, 12_000), () => { if (!play.over) makePools(play); }); }) },
  { name: 'pool-second', weight: 2, run: (play, random) => {
    const host = random.pick(play.cloud.hosts).name;
    void play.ask(createDevicePool, { ...write(play), pool: { ...NICS, id: POOLS.second, name: 'second', vfCount: 2, match: { ...NICS.match, hosts: [host] } } });
    play.later(random.between(2_000, 15_000), () => { if (!play.over) void play.ask(deleteDevicePool, { ...write(play), id: POOLS.second }); });
  } },
  { name: 'device-release', weight: 3, run: (play, random) => void releaseSome(play, () => random.chance(0.7)) },
  { name: 'device-rescan', weight: 1, run: (play) => play.ask(rescanDevices, { caller: play.caller(true), hostId: null }) },
];

export function trouble(play, withFaults, choose) {
  const { cloud } = play;
  const { devices } = cloud;
  const chain = (table, mean, act) => {
    const next = () => play.later(devices.random.delay(mean, 15_000) + 30, () => {
      if (play.over) return;
      const one = choose(devices.random, table);
      play.kinds[one.name] = (play.kinds[one.name] ?? 0) + 1;
      play.world.trace(`* ${one.name}`);
      act(one);
      next();
    });
    next();
  };
  play.later(5_000, () => {
    chain(ACTS, devices.random.between(3_000, 12_000), (one) => void one.run(play, devices.random));
    chain(PLUGS, devices.random.between(300, 3_000), (one) => void one.run(play, devices.random));
    if (withFaults) chain(FAULTS, devices.random.between(1_500, 8_000), (one) => { devices.faults += 1; one.run(cloud, devices.random.pick(devices.hosts), play); });
  });
}

const makePools = (play) => { for (const pool of [NICS, CARDS]) void play.ask(createDevicePool, { caller: play.caller(true), dryRun: false, yesReally: true, pool }); };

const CLEAN = { mac: '00:00:00:00:00:00', vlan: 0, qos: 0, trust: false, spoofCheck: true, minTxMbps: 0, maxTxMbps: 0 };

/** The operator has looked at what is in quarantine or doubted, has made it clean by his own means, and says so. */
async function releaseSome(play, which) {
  const { devices, hosts, store } = play.cloud;
  const rows = await store.look("SELECT d.id, d.generation, d.identity, h.name FROM scheduler.devices d JOIN scheduler.hosts h ON h.id = d.host_id WHERE quarantine_generation IS NOT NULL OR condition_code IN ('changed-identity', 'aer-errors') ORDER BY d.host_id, d.identity");
  for (const { id, generation, identity, name } of rows) {
    if (!which()) continue;
    const one = devices.functionOf(hosts.find((host) => host.name === name), identity);
    if (one?.user === null) {
      one.trace = null;
      if (one.settings) one.settings = { ...one.settings, ...CLEAN };
    }
    void play.ask(releaseDevice, { caller: play.caller(true), deviceId: id, statement: 'I looked at it: it is in order.', generation });
  }
}

/** Pools are as at the beginning, and whatever asks for an operator's word gets it: until every device can be had. @returns what can't */
export async function allAvailable(play, state) {
  const { cloud: { store, devices, hosts }, world } = play;
  const admin = () => ({ caller: play.caller(true), dryRun: false, yesReally: true });
  const wanted = devices.hosts.flatMap((host) => [...host.kernel.state.functions.values()].filter(({ vf, shape }) => vf === null && (shape.sriov || shape.vendor === '10de')).flatMap((one) => (one.shape.sriov ? Array.from({ length: VFS }, (_, n) => `${host.name} ${one.key}/vf${n}`) : [`${host.name} ${one.key}`])));
  let left = [];
  for (let round = 0; round < 40 && play.cloud.broken.length === 0; round += 1) {
    if (round % 4 === 0) {
      const pools = new Map((await store.look('SELECT id, vf_count, driver FROM scheduler.device_pools')).map((row) => [row.id, row]));
      play.later(0, () => {
        if (pools.has(POOLS.second)) void play.ask(deleteDevicePool, { ...admin(), id: POOLS.second });
        const nics = pools.get(POOLS.nics);
        if (pools.size < 2 || nics === undefined || !pools.has(POOLS.cards)) makePools(play);
        if (nics !== undefined && (nics.vf_count !== VFS || nics.driver !== 'vfio-pci')) void play.ask(updateDevicePool, { ...admin(), id: POOLS.nics, change: { vfCount: VFS, driver: 'vfio-pci' } });
      });
      play.later(500, () => void releaseSome(play, () => true));
    }
    await world.run(world.now + 4_000, () => play.cloud.broken.length > 0);
    if (!(await play.committed())) continue;
    const rows = await store.look(`SELECT h.name, d.identity, ${state} AS state, d.quarantine_sentence, d.condition_code, d.pool_note, d.generation, d.clean_at FROM scheduler.devices d JOIN scheduler.hosts h ON h.id = d.host_id LEFT JOIN scheduler.device_claims c ON c.device_id = d.id`);
    const by = new Map(rows.map((row) => [`${row.name} ${devices.keyOf(hosts.find(({ name }) => name === row.name), row.identity)}`, row]));
    left = wanted.filter((key) => by.get(key)?.state !== 'available').map((key) => `${key} ${JSON.stringify(by.get(key) ?? 'not reported')}`);
    if (left.length === 0) return left;
  }
  return left;
}
