// How well servers are packed: what share of a fleet is used when the first request of a mix of flavors and lifetimes finds
// no host, beside best-fit on the same requests, and on small fleets beside the most that any packing could reach.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../deploy/one-machine/machine.mjs';

const built = (path) => import(pathToFileURL(join(root, 'dist', path)).href);
const PACK = { strategy: 'pack', weights: {} };
const SPREAD = { strategy: 'spread', weights: {} };

/** vCPUs, MiB, how often of 100. */
const FLAVORS = [[1, 2_048, 20], [2, 3_072, 15], [3, 6_144, 15], [4, 4_096, 10], [4, 24_576, 8], [6, 9_216, 10], [12, 16_384, 7], [2, 40_960, 5], [20, 20_480, 5], [8, 49_152, 5]];
const HOST = { cells: 2, cores: 16, threads: 2, memoryMib: 131_072 };
const HOST_CPUS = HOST.cells * HOST.cores * HOST.threads;

/** @returns shares of the fleet in use at the first refusal, means over seeds: floating guests, pinned ones, and small fleets with their bound. */
export async function packing() {
  const parts = { ...(await built('apps/scheduler/src/decide/fleet.js')), ...(await built('apps/scheduler/src/decide/place.js')) };
  const seeds = Array.from({ length: 20 }, (_, at) => at + 1);
  const mean = (of) => Math.round((1000 * seeds.reduce((sum, seed) => sum + of(seed), 0)) / seeds.length) / 1000;
  const compare = (pinned) => ({
    pack: mean((seed) => fill(parts, seed, 50, placed(parts, PACK), pinned)), spread: mean((seed) => fill(parts, seed, 50, placed(parts, SPREAD), pinned)), best_fit: mean((seed) => fill(parts, seed, 50, bestFit, pinned)),
  });
  return { floating: compare(false), pinned: compare(true), small_fleet: { pack: mean((seed) => small(parts, seed).pack), best_fit: mean((seed) => small(parts, seed).best), exhaustive: mean((seed) => small(parts, seed).bound) } };
}

/** Servers come, and some go, until one finds no host. */
function fill(parts, seed, hosts, choose, pinned) {
  const dice = random(seed);
  const fleet = fleetOf(parts, hosts);
  const living = [];
  for (;;) {
    // For every three that come one goes: holes open all over the fleet.
    if (living.length > 0 && dice() < 0.25) release(fleet, living.splice(Math.floor(dice() * living.length), 1)[0]);
    const ask = request(dice, pinned);
    const candidate = choose(fleet, ask);
    if (candidate === null) return used(fleet);
    fleet.model[candidate.host].push(candidate);
    fleet.state.assume(candidate, ask);
    living.push(candidate);
  }
}

const placed = ({ place }, policy) => ({ state }, ask) => place(state, ask, policy).candidates?.[0] ?? null;

/** The host whose memory and CPUs would be fullest, by what is left of the scarcer; the host's cells and CPUs are chosen alike for all. */
function bestFit({ state, place }, ask) {
  let best = null;
  let least = Infinity;
  for (const candidate of place(state, ask, { ...SPREAD, candidates: state.size }).candidates ?? []) {
    const left = Math.min(1 - (state.usedMemoryMib[candidate.host] + ask.memoryMib) / HOST.memoryMib, 1 - (cpusUsed(state, candidate.host) + ask.vcpus) / HOST_CPUS);
    if (left >= least) continue;
    least = left;
    best = candidate;
  }
  return best;
}

const cpusUsed = (state, host) => state.usedVcpus[host] + state.dedicated[host] - state.freeDedicated[host];
const used = ({ state }) => {
  let sum = 0;
  for (let host = 0; host < state.size; host += 1) sum += (cpusUsed(state, host) / HOST_CPUS + state.usedMemoryMib[host] / HOST.memoryMib) / 2;
  return sum / state.size;
};

function request(dice, pinned) {
  let lot = dice() * 100;
  const [vcpus, memoryMib] = FLAVORS.find(([, , often]) => (lot -= often) < 0) ?? FLAVORS[0];
  const needs = pinned ? {
    cpuPolicy: 'dedicated', pinned: Array.from({ length: vcpus }, (_, cpu) => cpu), threadPolicy: 'prefer', emulatorThreads: null, cells: [], pageSize: null, topology: null,
    traits: { required: [], forbidden: [] }, resources: {}, architecture: null, aggregateSpecs: {}, imageProperties: {},
  } : null;
  return { vcpus, memoryMib, diskGib: 0, availabilityZone: null, requestedHost: null, now: 1, aliveTimeoutMs: 10_000, seed: Math.floor(dice() * 1e9), needs };
}

function fleetOf({ Fleet, place }, hosts) {
  const state = new Fleet();
  const cells = Array.from({ length: HOST.cells }, (_, id) => {
    const cores = Array.from({ length: HOST.cores }, (__, core) => Array.from({ length: HOST.threads }, (___, thread) => (id * HOST.cores + core) * HOST.threads + thread));
    return { id, cpus: cores.flat(), cores, memoryMib: HOST.memoryMib / HOST.cells, socket: id, pages: [], distances: [] };
  });
  for (let at = 0; at < hosts; at += 1) {
    state.put({
      id: `h${at}`, name: `h${at}`, zone: 'nova', onlyWhenAsked: false, enabled: true, disabledReason: null, bootId: 'b', generation: 1,
      make: { version: 1, architecture: '', cells, sharedCpus: null, dedicatedCpus: cells.flatMap(({ cpus }) => cpus), cpuFlags: [], traits: ['CUSTOM_SKYLITE_LAYOUT'], resources: {} },
      capacity: { limit: { vcpus: HOST_CPUS, memoryMib: HOST.memoryMib, diskGib: 1 }, used: { vcpus: 0, memoryMib: 0, diskGib: 0 }, largest: { vcpus: HOST_CPUS, memoryMib: HOST.memoryMib }, version: 1, claimed: { cpus: [], cells: [], resources: {} } },
    });
    state.setHeard(`h${at}`, 0, true);
  }
  return { state, place, model: Array.from({ length: hosts }, () => []), version: 1 };
}

/** As the feed says it after a release: what all that are left use. */
function release(fleet, gone) {
  const left = fleet.model[gone.host] = fleet.model[gone.host].filter((one) => one !== gone);
  const sum = (of) => left.reduce((total, one) => total + of(one.amounts), 0);
  fleet.version += 1;
  const cells = Array.from({ length: HOST.cells }, (_, id) => ({ id, pages: [], memoryMib: sum((amounts) => amounts.cells.reduce((total, cell) => total + (cell.id === id ? cell.memoryMib : 0), 0)) }));
  fleet.state.applyCapacity(gone.host, {
    limit: { vcpus: HOST_CPUS, memoryMib: HOST.memoryMib, diskGib: 1 }, largest: { vcpus: HOST_CPUS, memoryMib: HOST.memoryMib }, version: fleet.version,
    used: { vcpus: sum(({ vcpus }) => vcpus), memoryMib: sum(({ memoryMib }) => memoryMib), diskGib: 0 }, claimed: { cpus: left.flatMap(({ amounts }) => amounts.cpus), cells, resources: {} },
  });
}

/** Three hosts, nobody leaves: how far place() and best-fit come, and how far the same requests can be packed at all. */
function small(parts, seed) {
  const requests = (dice) => Array.from({ length: 200 }, () => request(dice, false));
  const run = (choose) => {
    const fleet = fleetOf(parts, 3);
    for (const ask of requests(random(seed))) {
      const candidate = choose(fleet, ask);
      if (candidate === null) return used(fleet);
      fleet.state.assume(candidate, ask);
    }
    return used(fleet);
  };
  const all = requests(random(seed));
  let fits = 0;
  while (fits < all.length && packable(all.slice(0, fits + 1))) fits += 1;
  const bound = all.slice(0, fits).reduce((sum, ask) => sum + (ask.vcpus / HOST_CPUS + ask.memoryMib / HOST.memoryMib) / 2, 0) / 3;
  return { pack: run(placed(parts, PACK)), best: run(bestFit), bound };
}

/** Is there any way? Largest first, equal hosts tried once; gives up as "yes" after many steps: then the bound is only generous. */
function packable(asks) {
  const sorted = [...asks].sort((a, b) => b.memoryMib + b.vcpus * 2_048 - a.memoryMib - a.vcpus * 2_048);
  const total = (of) => sorted.reduce((sum, ask) => sum + of(ask), 0);
  if (total(({ vcpus }) => vcpus) > 3 * HOST_CPUS || total(({ memoryMib }) => memoryMib) > 3 * HOST.memoryMib) return false;
  const hosts = Array.from({ length: 3 }, () => ({ cpus: HOST_CPUS, memory: HOST.memoryMib }));
  let steps = 200_000;
  const go = (at) => {
    if (at === sorted.length || (steps -= 1) <= 0) return true;
    const tried = new Set();
    for (const host of hosts) {
      const { vcpus, memoryMib } = sorted[at];
      if (host.cpus < vcpus || host.memory < memoryMib || tried.has(`${host.cpus} ${host.memory}`)) continue;
      tried.add(`${host.cpus} ${host.memory}`);
      host.cpus -= vcpus;
      host.memory -= memoryMib;
      if (go(at + 1)) return true;
      host.cpus += vcpus;
      host.memory += memoryMib;
    }
    return false;
  };
  return go(0);
}

/** mulberry32 */
function random(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
