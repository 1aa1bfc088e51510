// Checkers of devices: they read rows, the hosts' buses, what machines remember and agents' ledgers, and nothing else.
import { unsoundDevices } from '../support/device-rows.ts';
import { STATE_SQL } from '../../apps/scheduler/src/devices/decide/state.ts';
import { allAvailable } from './device-faults.mjs';

const HELD = "SELECT c.instance_id, h.name, d ->> 'identity' AS identity, (d ->> 'generation')::int AS generation FROM scheduler.claims c JOIN scheduler.hosts h ON h.id = c.host_id, jsonb_array_elements(c.layout -> 'devices') d";

/** A unit with one holder, of which another function came back (or into its group) after the rest had been given. */
const GREW = `
  SELECT u.unit FROM scheduler.devices o JOIN scheduler.devices u ON u.host_id = o.host_id AND u.unit = o.unit LEFT JOIN scheduler.device_claims k ON k.device_id = u.id
    LEFT JOIN scheduler.device_history g ON g.device_id = k.device_id AND g.generation = k.generation AND g.instance_id = k.instance_id AND g.kind IN ('claimed', 'rescanned')
  WHERE o.id::text = $1 GROUP BY u.unit HAVING count(DISTINCT u.held_by) = 1 AND EXISTS (SELECT FROM scheduler.device_history e WHERE e.device_id = ANY (array_agg(u.id) FILTER (WHERE u.held_by IS NULL)) AND e.kind IN ('returned', 'seen') AND e.at >= min(g.at))`;

/** Holds at every moment: after each commit of the scheduler, and whenever somebody looks. */
export async function checkHolders(cloud) {
  const { devices, store } = cloud;
  if (devices === undefined) return;
  for (const host of devices.hosts) {
    for (const harm of host.kernel.harms.splice(0)) cloud.violated('harm', `${host.name} ${JSON.stringify(harm)}`);
    checkLedger(cloud, host);
  }
  if (cloud.adopting) return;
  const claims = new Map();
  for (const { instance_id: id, name, identity, generation } of await store.lookAgain('scheduler.claims', HELD)) {
    const key = `${name} ${identity}`;
    const other = claims.get(key);
    if (other !== undefined && other.id !== id) cloud.violated('two holders', `${key} is claimed for ${other.id} and ${id}`);
    claims.set(key, { id, generations: [...(other?.generations ?? []), generation] });
    checkClean(cloud, { id, name, identity, generation });
  }
  for (const host of devices.hosts) {
    if (cloud.fencedOnce.has(host.name)) continue;
    for (const one of host.kernel.state.functions.values()) {
      if (one.user === null) continue;
      const { domain } = one.user;
      const placed = cloud.kept.get(domain)?.get(host.name)?.placed?.layout?.devices.find(({ identity }) => devices.keyOf(host, identity) === one.key);
      const claim = placed && claims.get(`${host.name} ${placed.identity}`);
      if (claim?.id !== domain) cloud.violated('has it without a claim', `${domain} has ${one.key} on ${host.name}, ${placed?.identity} is claimed for ${claim?.id}`);
      else if (!claim.generations.includes(placed.generation)) cloud.violated('generation', `${domain} has ${placed.identity} on ${host.name} of generation ${placed.generation}, claimed at ${claim.generations.join()}`);
    }
  }
}

/** The moment a device is claimed, nothing of a predecessor is on it, whatever the database believes. */
function checkClean(cloud, { id, name, identity, generation }) {
  const { devices } = cloud;
  const hold = `${name} ${identity} ${generation} ${id}`;
  if (devices.holds.has(hold)) return;
  devices.holds.add(hold);
  const host = cloud.failedOver || cloud.fencedOnce.has(name) ? undefined : devices.hosts.find((each) => each.name === name);
  const one = host && devices.functionOf(host, identity);
  if (!one?.present || one.user?.domain === id) return;
  const left = one.user ? `${one.user.domain} has it` : one.trace !== null && one.trace !== id ? `it is as ${one.trace} left it` : devices.leftOn(one, id);
  if (left !== null) cloud.violated('claimed unclean', `${hold}: ${left}`);
}

/** No two instances are told the same hold of a device. */
function checkLedger(cloud, host) {
  const told = new Map();
  for (const [id, { desired }] of host.ledger?.entries ?? []) {
    if (desired.intent === 'deleted') continue;
    for (const { identity, generation } of desired.layout?.devices ?? []) {
      const key = `${identity} at ${generation}`;
      if (told.has(key) && told.get(key) !== id) cloud.violated('two holders', `${host.name} was told ${key} for ${told.get(key)} and ${id}`);
      told.set(key, id);
    }
  }
}

/** Holds at every moment, and is looked at with all the rest. */
export async function checkDevices(cloud) {
  const { devices, store } = cloud;
  if (devices === undefined || cloud.broken.length > 0) return;
  await checkHolders(cloud);
  if (cloud.adopting) return;
  const wrong = await unsoundDevices({ admin: { query: async (text) => ({ rows: store.lookNow(text) }) } });
  const isWrong = ({ what, it }) => what !== 'half a unit' || store.lookNow(GREW, [it]).length === 0;
  const unsound = wrong.find(isWrong);
  if (unsound !== undefined) cloud.violated('device rows', JSON.stringify(unsound));
  // What can be had is clean, wherever it lies.
  const free = await store.look(`SELECT h.name, d.identity, d.generation FROM scheduler.devices d JOIN scheduler.hosts h ON h.id = d.host_id LEFT JOIN scheduler.device_claims c ON c.device_id = d.id WHERE ${STATE_SQL} = 'available'`);
  for (const { name, identity, generation } of free) {
    const host = devices.hosts.find((each) => each.name === name);
    const one = host && !cloud.fencedOnce.has(name) ? devices.functionOf(host, identity) : undefined;
    if (one?.present && (one.user !== null || one.trace !== null) && !cloud.failedOver) cloud.violated('given on dirty', `${name} ${identity} can be had at ${generation}, ${one.user ? `${one.user.domain} has it` : `it is as ${one.trace} left it`}`);
  }
}

/** At rest: who runs has what was claimed for him, unless it fell off the bus under him. */
export async function checkDevicesSettled(cloud) {
  const { devices, store } = cloud;
  if (devices === undefined || cloud.broken.length > 0) return;
  await checkDevices(cloud);
  const rows = await store.look("SELECT i.id, i.host_name, d ->> 'identity' AS identity FROM compute.instances i JOIN scheduler.claims c ON c.instance_id = i.id AND c.host_id = i.host_id AND c.purpose = 'run', jsonb_array_elements(c.layout -> 'devices') d WHERE i.deleted_at IS NULL AND i.intent = 'running' AND i.step = 'settled' AND i.move_phase IS NULL");
  for (const { id, host_name: name, identity } of rows) {
    const host = devices.hosts.find((each) => each.name === name);
    const user = host && devices.functionOf(host, identity)?.user?.domain;
    if (user !== id && !devices.robbed.has(id)) cloud.violated('without its device', `${id} runs on ${name} and has not ${identity}, ${user ?? 'nobody'} has`);
  }
  // Nothing that anybody defined has taken from under a claim what a server may want again.
  for (const { instance_id: id, name, identity } of await store.look(HELD)) {
    const host = devices.hosts.find((each) => each.name === name);
    if (host?.process.state === 'alive' && !cloud.fencedOnce.has(name) && !devices.functionOf(host, identity)?.present) cloud.violated('claimed and not there', `${identity} on ${name}, claimed for ${id}`);
  }
}

/** What is kept of a device is what its host saw last: a word that came late has changed nothing. */
async function checkSeen(cloud) {
  const { devices, store, fencedOnce } = cloud;
  const rows = await store.look("SELECT h.name, d.identity, d.facts ->> 'address' AS address, d.used_by, d.missing_since IS NOT NULL AS missing FROM scheduler.devices d JOIN scheduler.hosts h ON h.id = d.host_id WHERE d.facts IS NOT NULL");
  for (const { name, identity, address, used_by: usedBy, missing } of rows) {
    const host = devices.hosts.find((each) => each.name === name);
    if (host === undefined || fencedOnce.has(name) || host.process.state !== 'alive') continue;
    const one = devices.functionOf(host, identity);
    const [now, user] = one?.present ? [one.address, one.user?.domain ?? null] : [null, null];
    if (now !== (missing ? null : address) || (now !== null && user !== usedBy)) cloud.violated('seen otherwise', `${name} ${identity} is at ${now}, ${user ?? 'nobody'} has it; kept is ${missing ? 'that it is missing' : address}, ${usedBy ?? 'nobody'}`);
  }
}

/** When everything was deleted: nothing leaks. */
export async function checkDevicesEnd(play) {
  const { cloud } = play;
  if (cloud.devices === undefined || cloud.broken.length > 0) return;
  const left = await allAvailable(play, STATE_SQL);
  if (left.length > 0) cloud.violated('device leaked', left.slice(0, 3).join('; '));
  else await checkSeen(cloud);
  await checkDevices(cloud);
}
