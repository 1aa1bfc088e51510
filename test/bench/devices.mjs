// Devices: how fast one is chosen among 256 like ones on each of 1,000 hosts, claimed through the scheduler's service into PostgreSQL, and
// claimed by the bare statement beside it; what a look at a bus of 512 functions costs; how long an edit of a pool takes until its VFs can be claimed.
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { root } from '../../deploy/one-machine/machine.mjs';
import { discovery } from './discovery.mjs';
import { poolEdit } from './pool-edit.mjs';
import { fill, INVENTORY, needsOf, pins, request, storm, withDatabase } from './scheduler.mjs';

const built = (path) => import(pathToFileURL(join(root, 'dist', path)).href);
const HOSTS = 1_000;
const VFS = 256;
const PFS = 4;
const POOL = '0ddba11a-0000-4000-8000-00000000d001';

/** @returns figures: `place` in memory (per second, microseconds), `claims` through the service by number of schedulers, `statement` alone; `discovery`; `pool_edit`. */
export async function devices() {
  const found = { discovery: await discovery(), pool_edit: await poolEdit() };
  return { ...found, hosts: HOSTS, vfs_per_host: VFS, place: await placing(), ...(await withDatabase(claiming)) };
}

const one = async (change = {}) => needsOf({ ...change, devices: [{ className: 'net', count: 1, ...(change.cpuPolicy && { numaPolicy: 'required' }) }] });

async function placing() {
  const { Fleet } = await built('apps/scheduler/src/decide/fleet.js');
  const { place } = await built('apps/scheduler/src/decide/place.js');
  const { makeOf } = await built('apps/scheduler/src/decide/make.js');
  const fleet = new Fleet();
  fleet.setDeviceSettings([{ id: POOL, name: 'net', className: 'net', physicalNetwork: null, groupTogether: true, vlans: [], macPrefix: 'fa:16:3e' }], [{ name: 'net', numaPolicy: 'legacy', attach: 'auto' }]);
  for (let at = 0; at < HOSTS; at += 1) {
    const rows = Array.from({ length: VFS }, (_, vf) => ({
      id: `d${at}-${vf}`, identity: `mac:${vf % PFS}/vf:${vf}`, version: 1, generation: 0, standing: vf % 3 === 0 ? 'claimed' : 'free', poolId: POOL, offered: true, unit: `mac:${vf % PFS}/vf:${vf}`,
      numaNode: vf % 2, kind: 'vf', network: true, pf: `mac:${vf % PFS}`,
    }));
    fleet.put({
      id: `h${at}`, name: `h${at}`, zone: 'az', onlyWhenAsked: false, enabled: true, disabledReason: null, bootId: 'b', generation: 1, make: makeOf(INVENTORY, ['LAYOUT', 'DEVICES'], 1), devices: { rows, count: VFS, versions: VFS },
      capacity: { limit: { vcpus: 256, memoryMib: 900_000, diskGib: 10_000 }, used: { vcpus: at % 200, memoryMib: 0, diskGib: 0 }, largest: { vcpus: 64, memoryMib: 900_000 }, version: 1, claimed: { cpus: [], cells: [], resources: {} } },
    });
    fleet.setHeard(`h${at}`, 0, true);
  }
  const measure = (change) => {
    const ask = { vcpus: 2, memoryMib: 1024, diskGib: 1, availabilityZone: null, requestedHost: null, now: 1, aliveTimeoutMs: 10_000, seed: 0, ...change };
    const times = [];
    const end = performance.now() + 2_000;
    for (let seed = 0; performance.now() < end; seed += 1) {
      const began = performance.now();
      const placement = place(fleet, { ...ask, seed });
      times.push(performance.now() - began);
      if (placement.candidates && seed % 10 === 0) fleet.assume(placement.candidates[0], ask);
    }
    const steady = times.slice(times.length >> 2).sort((a, b) => a - b);
    const at = (share) => Math.round(steady[Math.floor(steady.length * share)] * 1e6) / 1e3;
    return { per_s: Math.round((1000 * steady.length) / steady.reduce((sum, time) => sum + time, 0)), p50_us: at(0.5), p99_us: at(0.99) };
  };
  return { one_vf: measure({ needs: await one() }), one_vf_pinned_required: measure({ needs: await one(pins(2)) }), no_explained: measure({ needs: await needsOf({ devices: [{ className: 'net', count: 32 }, { className: 'gpu', count: 1 }] }) }) };
}

async function claiming(open) {
  const hand = await open();
  await fill(hand, HOSTS);
  await hand.pool.query("UPDATE scheduler.hosts SET capabilities = '{LAYOUT,DEVICES}'");
  await hand.pool.query("INSERT INTO scheduler.device_classes (name, match) VALUES ('net', '{}')");
  await hand.pool.query("INSERT INTO scheduler.device_pools (id, name, class_name, mode, match, policy) VALUES ($1, 'net', 'net', 'vfs', '{}', '{}')", [POOL]);
  const { rows: hosts } = await hand.pool.query('SELECT id FROM scheduler.hosts');
  for (let at = 0; at < HOSTS; at += 20) await hand.pool.query(`INSERT INTO scheduler.devices (host_id, identity, unit, facts, pool_id, class_name, pool_role, clean_at)
    SELECT id, 'mac:' || vf % ${PFS} || '/vf:' || vf, 'mac:' || vf % ${PFS} || '/vf:' || vf, jsonb_build_object('kind', 'vf', 'pciClass', '020000', 'mates', '[]'::jsonb, 'numaNode', vf % 2, 'pf', jsonb_build_object('identity', 'mac:' || vf % ${PFS}, 'vf', vf)), $1, 'net', 'offered', 0
    FROM unnest($2::uuid[]) id, generate_series(0, ${VFS - 1}) vf`, [POOL, hosts.slice(at, at + 20).map(({ id }) => id)]);
  await hand.pool.query('UPDATE scheduler.device_changes SET version = version + 1');
  const needs = await one();
  const began = performance.now();
  const statement = await bare(hand);
  const claims = {};
  for (const count of [1, 2, 4]) claims[`${count}_schedulers_64_clients`] = await storm(open, count, 64, () => ({ ...request(), needs }));
  await hand.close();
  return { claims, statement, took_s: Math.round((performance.now() - began) / 1000) };
}

/** The claim statement alone, for batches of 1, 16 and 100 (each host once): every time devices that nobody had yet. */
async function bare(db) {
  const { ClaimsRepository } = await built('apps/scheduler/src/claims/claims.repository.js');
  const repository = new ClaimsRepository(db);
  const { rows } = await db.pool.query('SELECT d.id, d.host_id, d.identity FROM scheduler.devices d JOIN (SELECT id FROM scheduler.hosts ORDER BY name LIMIT 200) h ON h.id = d.host_id ORDER BY d.vf_index, d.host_id');
  const result = {};
  let next = 0;
  for (const size of [1, 16, 100]) {
    let [claims, took, lost] = [0, 0, 0];
    while (took < 2_000 && next + size <= rows.length) {
      const wanted = rows.slice(next, next + size).map(({ id, host_id: hostId, identity }) => ({
        ...request(), purpose: 'run', hostId,
        exact: {
          resources: {}, group: null,
          layout: { cells: [], emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: null, numa: false, devices: [{ deviceId: id, identity, className: 'net', generation: 1, numaNode: 0, need: 0, attach: 'hostdev', mac: null, vlan: null, physicalNetwork: null }] },
        },
      }));
      next += size;
      const began = performance.now();
      const { taken } = await repository.claim(wanted);
      took += performance.now() - began;
      claims += size;
      lost += taken.filter(({ is }) => is !== 'claimed').length;
    }
    result[`batch_${size}_per_s`] = Math.round((1000 * claims) / took);
    if (lost > 0) result[`batch_${size}_lost`] = lost;
  }
  return result;
}
