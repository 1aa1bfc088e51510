// What goes wrong: each fault with its weight. Those that last take themselves away after a while.
import { adoptHosts, evacuateServer, fenceHost, migrateServer, unfenceHost } from '#libs/contracts';

export const FAULTS = [
  { name: 'crash', weight: 4, run: ({ cloud, random }) => cloud.crash(random.pick(cloud.all)) },
  { name: 'crash-at-commit', weight: 5, run: (play) => play.crashAtCommit() },
  { name: 'cut', weight: 3, run: ({ cloud, random }) => cloud.cut(random.pick(cloud.all), random.between(500, 30_000)) },
  { name: 'freeze', weight: 3, run: ({ cloud, random }) => cloud.freeze(random.pick(cloud.all), random.between(200, 25_000)) },
  { name: 'stall', weight: 3, run: (play) => play.stall() },
  { name: 'reboot-host', weight: 1, run: ({ cloud, random }) => cloud.reboot(random.pick(cloud.hosts)) },
  { name: 'bus-down', weight: 1, run: (play) => { play.cloud.network.down = true; play.cloud.network.tell(); play.later(play.random.between(300, 15_000), () => { play.cloud.network.down = false; play.cloud.network.tell(); }); } },
  { name: 'bus-wiped', weight: 1, run: (play) => { play.cloud.network.wipe(); play.later(play.random.between(300, 3_000), () => { play.cloud.network.down = false; play.cloud.network.tell(); }); } },
  { name: 'database-down', weight: 1, run: (play) => { play.cloud.store.down = true; play.later(play.random.between(300, 10_000), () => { play.cloud.store.down = false; }); } },
  { name: 'storm', weight: 2, run: (play) => { play.cloud.network.weather = { lose: 0.15, double: 0.2, delayMs: 60, mostMs: 3_000 }; play.later(play.random.between(2_000, 15_000), () => play.calm()); } },
  { name: 'libvirt-errors', weight: 2, run: (play) => { const host = play.random.pick(play.cloud.hosts); host.errors = play.random.pick([0.4, 0.95]); if (host.errors > 0.5) play.create(3); play.later(play.random.between(3_000, 20_000), () => { host.errors = 0; }); } },
  { name: 'slow-disk', weight: 2, run: (play) => { const disk = play.disks(play.random.pick(play.cloud.hosts).name); disk.slowMs = 4_000; play.later(play.random.between(2_000, 20_000), () => { disk.slowMs = 0; }); } },
  { name: 'clock-jump', weight: 1, run: ({ cloud, random }) => { random.pick(cloud.all).process.skewMs = random.between(-3_600_000, 3_600_000); } },
  { name: 'failover', weight: 1, run: (play) => void failOver(play) },
  { name: 'lost-host', weight: 3, run: (play) => loseHost(play) },
];

/**
 * A host's power and network are gone. Its operator goes there, sees that it is off, fences it with that statement and has its
 * servers rebuilt elsewhere. Later it boots, perhaps while still cut off; later it can be reached; later it is taken back.
 */
function loseHost(play) {
  const { cloud, random } = play;
  if (cloud.hosts.some((host) => host.lost) || cloud.hosts.length < 3) return;
  const host = random.pick(cloud.hosts);
  host.lost = true;
  cloud.cut(host, null);
  cloud.reboot(host, null);
  const fence = () => {
    if (play.over || !host.lost || host.process.state !== 'dead') return;
    // From here on it may be fenced, whenever the answer comes; only a refusal of all that was asked says that it is not.
    const known = cloud.fencedOnce.has(host.name);
    cloud.fencedOnce.add(host.name);
    void play.ask(fenceHost, { caller: play.caller(true), hostId: host.id, method: 'statement', statement: 'I stood before it: it is off.', force: false }).then((done) => {
      if (!done && play.lastError === 'conflict' && !known) cloud.fencedOnce.delete(host.name);
      if (!done) { play.later(2_500, fence); return; }
      host.fencedOnce = true;
      play.later(random.between(500, 6_000), () => evacuate(play, host));
      const bootsMs = random.between(1_000, 25_000);
      play.later(bootsMs, () => { if (host.lost && host.process.state === 'dead') cloud.startOne(host); });
      play.later(bootsMs + random.between(0, random.pick([15_000, 60_000])), () => { if (host.lost) cloud.uncut(host); });
      play.later(bootsMs + random.between(3_000, random.pick([10_000, 60_000])), () => { coldCaches(play, host); giveBack(play, host); });
    });
  };
  play.later(random.between(8_000, 16_000), fence);
  // Nobody came to fence it: it comes back by itself.
  play.later(60_000, () => { if (host.lost && !host.fencedOnce) bringBack(play, host); });
}

function evacuate(play, host) {
  const there = play.list.filter((row) => row.host_id === host.id).map(({ id }) => id);
  host.evacuated = there;
  for (const id of there) if (play.random.chance(0.8)) play.later(play.random.between(0, 4_000), () => { void play.ask(evacuateServer, { caller: play.caller(true), instanceId: id, host: null, stopped: play.random.chance(0.2) }); });
}

function bringBack({ cloud }, host) {
  host.lost = false;
  cloud.uncut(host);
  if (host.process.state === 'dead' && !host.starts) cloud.startOne(host);
}

/** Until it was heard. */
export function giveBack(play, host) {
  bringBack(play, host);
  void play.ask(unfenceHost, { caller: play.caller(true), hostId: host.id }).then((done) => { if (!done) play.later(1_000, () => giveBack(play, host)); else { host.fencedOnce = false; comeHome(play, host); } });
}

/** Often it is slow at first, and takes its time to let go of what left it. */
function coldCaches(play, host) {
  if (play.over || play.random.chance(0.4)) return;
  const disk = play.disks(host.name);
  disk.slowMs = 3_000;
  play.later(play.random.between(3_000, 12_000), () => { disk.slowMs = 0; });
}

/** What was rebuilt elsewhere is wanted back where it was, at once. */
function comeHome(play, host) {
  for (const id of host.evacuated?.splice(0) ?? []) for (const ms of [0, 400, 1_500]) play.later(play.random.between(ms, 2 * ms + 50), () => { if (!play.over) void play.ask(migrateServer, { caller: play.caller(true), instanceId: id, host: host.name }); });
}

/**
 * The database's server is lost and its replica lacks the last second: a new incarnation, and every host is compared and adopted.
 * Only where no move is under way in what is left, unless `hard` is asked for.
 */
async function failOver(play) {
  const { cloud, random } = play;
  if (cloud.failedOver || play.over) return;
  cloud.failedOver = true;
  const moves = await cloud.store.mark();
  if (moves > 0 && !play.hard) { cloud.failedOver = false; return; }
  play.later(random.between(100, 1_500), () => {
    cloud.adopting = true;
    cloud.store.down = true;
    // Whoever was down already stays so, too: it would start with the incarnation of before.
    for (const one of cloud.services) {
      const startsMs = random.between(800, 5_000);
      cloud.crash(one, null);
      one.cancelStart = cloud.world.after(startsMs, () => cloud.startOne(one), null);
    }
    play.later(400, () => void cloud.store.failOver().then((cell) => {
      cloud.world.trace('the database is an older one');
      cloud.cell = cell;
      cloud.store.down = false;
      play.later(8_000, () => adopt(play));
    }));
  });
}

/** Until every host was compared. */
function adopt(play) {
  const { cloud } = play;
  void cloud.client.ask(adoptHosts, { caller: play.caller(true), hostIds: null, statement: 'The database lost its last second.' }).then(
    ({ hosts }) => cloud.hosts.every((host) => hosts.find(({ id }) => id === host.id)?.adopted === true), () => false,
  ).then((done) => {
    if (!done) { play.later(2_500, () => adopt(play)); return; }
    cloud.adopting = false;
    // That a host was taken back may be what the database lost: its operator sees that it is fenced, and says so again.
    for (const host of cloud.hosts) if (cloud.fencedOnce.has(host.name) && !host.lost && !host.fencedOnce) giveBack(play, host);
  });
}
