// What goes wrong: each fault with its weight. Those that last take themselves away after a while.
import { evacuateServer, fenceHost, unfenceHost } from '#libs/contracts';

export const FAULTS = [
  { name: 'crash', weight: 4, run: ({ cloud, random }) => cloud.crash(random.pick(cloud.all)) },
  { name: 'crash-at-commit', weight: 5, run: (play) => play.crashAtCommit() },
  { name: 'cut', weight: 3, run: ({ cloud, random }) => cloud.cut(random.pick(cloud.all), random.between(500, 30_000)) },
  { name: 'freeze', weight: 3, run: ({ cloud, random }) => cloud.freeze(random.pick(cloud.all), random.between(200, 25_000)) },
  { name: 'reboot-host', weight: 1, run: ({ cloud, random }) => cloud.reboot(random.pick(cloud.hosts)) },
  { name: 'bus-down', weight: 1, run: (play) => { play.cloud.network.down = true; play.cloud.network.tell(); play.later(play.random.between(300, 15_000), () => { play.cloud.network.down = false; play.cloud.network.tell(); }); } },
  { name: 'bus-wiped', weight: 1, run: (play) => { play.cloud.network.wipe(); play.later(play.random.between(300, 3_000), () => { play.cloud.network.down = false; play.cloud.network.tell(); }); } },
  { name: 'database-down', weight: 1, run: (play) => { play.cloud.store.down = true; play.later(play.random.between(300, 10_000), () => { play.cloud.store.down = false; }); } },
  { name: 'storm', weight: 2, run: (play) => { play.cloud.network.weather = { lose: 0.15, double: 0.2, delayMs: 60, mostMs: 3_000 }; play.later(play.random.between(2_000, 15_000), () => play.calm()); } },
  { name: 'libvirt-errors', weight: 2, run: (play) => { const host = play.random.pick(play.cloud.hosts); host.errors = 0.5; play.later(play.random.between(1_000, 15_000), () => { host.errors = 0; }); } },
  { name: 'slow-disk', weight: 2, run: (play) => { const disk = play.disks(play.random.pick(play.cloud.hosts).name); disk.slowMs = 4_000; play.later(play.random.between(2_000, 20_000), () => { disk.slowMs = 0; }); } },
  { name: 'clock-jump', weight: 1, run: ({ cloud, random }) => { random.pick(cloud.all).process.skewMs = random.between(-3_600_000, 3_600_000); } },
  { name: 'lost-host', weight: 2, run: (play) => loseHost(play) },
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
    void play.ask(fenceHost, { caller: play.caller(true), hostId: host.id, method: 'statement', statement: 'I stood before it: it is off.', force: false }).then((done) => {
      if (!done) { play.later(2_500, fence); return; }
      host.fencedOnce = true;
      cloud.fencedOnce.add(host.name);
      play.later(random.between(500, 6_000), () => evacuate(play, host));
      const bootsMs = random.between(1_000, 25_000);
      play.later(bootsMs, () => { if (host.lost && host.process.state === 'dead') cloud.startOne(host); });
      play.later(bootsMs + random.between(0, 15_000), () => { if (host.lost) cloud.uncut(host); });
      play.later(bootsMs + random.between(5_000, 40_000), () => giveBack(play, host));
    });
  };
  play.later(random.between(8_000, 16_000), fence);
  // Nobody came to fence it: it comes back by itself.
  play.later(60_000, () => { if (host.lost && !host.fencedOnce) bringBack(play, host); });
}

async function evacuate(play, host) {
  const rows = await play.cloud.store.look("SELECT id FROM compute.instances WHERE host_id = $1 AND intent <> 'deleted' ORDER BY number", [host.id]);
  for (const { id } of rows) if (play.random.chance(0.8)) play.later(play.random.between(0, 4_000), () => { void play.ask(evacuateServer, { caller: play.caller(true), instanceId: id, host: null, stopped: play.random.chance(0.2) }); });
}

function bringBack({ cloud }, host) {
  host.lost = false;
  cloud.uncut(host);
  if (host.process.state === 'dead' && !host.starts) cloud.startOne(host);
}

/** Until it was heard. */
export function giveBack(play, host) {
  bringBack(play, host);
  void play.ask(unfenceHost, { caller: play.caller(true), hostId: host.id }).then((done) => { if (!done) play.later(1_000, () => giveBack(play, host)); else host.fencedOnce = false; });
}
