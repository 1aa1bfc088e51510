import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { deviceCase, forbidsWithDevices, wrongWithDevices, type DeviceCase, type DeviceHost } from '../../testing/device-cases.js';
import { wrongWith } from '../../testing/slow-checker.js';
import { Fleet } from '../fleet.js';
import { place } from '../place.js';
import type { Candidate } from '../request.js';

/** `SKYLITE_SOAK_CASES=100000` for the long run. */
const RUNS = Number(process.env.SKYLITE_SOAK_CASES ?? 500);
const seeds = fc.integer({ min: 0, max: 0x7fff_ffff });
const CELLS = ['dedicated-cpus', 'thread-policy', 'huge-pages', 'numa'];
const plain = (names: readonly string[]): string[] => [...new Set(names.map((name) => (CELLS.includes(name) ? 'numa' : name)))].sort();

function fleetOf({ hosts, aggregates, pools, classes }: DeviceCase): Fleet {
  const fleet = new Fleet();
  fleet.setAggregates(aggregates);
  fleet.setDeviceSettings(pools, classes);
  for (const host of hosts) {
    const versions = host.rows.reduce((sum, { version }) => sum + version, 0);
    const row = { ...host, devices: { rows: host.rows, count: host.rows.length, versions } };
    fleet.put(row);
    expect(fleet.agreesOn(row)).toBe(true);
    fleet.setHeard(host.id, host.heardAt, host.hypervisorUp);
    fleet.setFailures(host.id, host.failures, host.quarantinedUntil);
  }
  return fleet;
}

/** As the feed will say it. */
const claimedOn = (host: DeviceHost, { layout, amounts }: Candidate): DeviceHost => ({
  ...host, rows: host.rows.map((row) => (layout?.devices?.some(({ deviceId }) => deviceId === row.id) === true ? { ...row, version: row.version + 1, generation: row.generation + 1, standing: 'claimed' } : row)),
  capacity: { ...host.capacity, pinnedMib: (host.capacity.pinnedMib ?? 0) + (layout?.devices === undefined ? 0 : amounts.memoryMib) },
});

describe('any fleet with devices, any request', () => {
  it('a yes passes the independent checker, on every candidate; a no means that trying everything finds nothing, and is counted where it is', () => {
    const seen = { yes: 0, no: 0, near: 0 };
    fc.assert(fc.property(seeds, (seed) => {
      const one = deviceCase(seed);
      const placement = place(fleetOf(one), one.request);
      const forbidden = new Map(one.hosts.map((host) => [host.name, forbidsWithDevices(one, host)]));
      const fitting = one.hosts.filter(({ name }) => forbidden.get(name)!.length === 0).map(({ id }) => id);
      if ('explanation' in placement) {
        seen.no += 1;
        expect(fitting).toEqual([]);
        const { filters, nearest } = placement.explanation;
        for (const { name, hosts, reason } of filters) {
          if (name === 'device-numa') seen.near += 1;
          expect(reason).toMatch(/^[A-Z0-9].*\.$/s);
          for (const row of hosts) expect(forbidden.get(row.name)).toContain(plain([name])[0]);
        }
        expect(plain(nearest!.blockers.map(({ filter }) => filter))).toEqual([...forbidden.get(nearest!.name)!].sort());
        return;
      }
      if (one.request.needs?.devices) seen.yes += 1;
      expect(placement.candidates.map(({ host }) => one.hosts[host]!.id).sort()).toEqual(fitting);
      for (const candidate of placement.candidates) {
        const host = one.hosts[candidate.host]!;
        expect([...wrongWith(host, one.request, candidate), ...wrongWithDevices(one, host, candidate)]).toEqual([]);
      }
    }), { numRuns: RUNS });
    expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(RUNS / 50);
    expect(seen.near).toBeGreaterThan(RUNS / 100);
  });

  it('what is assumed is what the feed will say, and what is settled or restored is as it was', () => {
    fc.assert(fc.property(seeds, (seed) => {
      const one = deviceCase(seed);
      const fleet = fleetOf(one);
      const first = place(fleet, one.request);
      if (!('candidates' in first)) return;
      const [candidate] = first.candidates as [Candidate];
      const id = fleet.ids[candidate.host]!;
      const memory = fleet.remember(candidate.host);
      fleet.assume(candidate, { group: null });
      const hosts = one.hosts.map((host) => (host.id === id ? claimedOn(host, candidate) : host));
      // Of amounts and cells the feed is asked elsewhere: here devices alone are to tell.
      const ask = { ...one.request, vcpus: 0, memoryMib: 0, diskGib: 0, group: null, needs: one.request.needs ? { ...one.request.needs, cpuPolicy: 'shared' as const, pinned: [], cells: [], pageSize: null, resources: {}, topology: null } : null };
      const said = (fleetNow: Fleet): string => JSON.stringify(place(fleetNow, ask));
      expect(devicesIn(place(fleet, ask))).toEqual(devicesIn(place(fleetOf({ ...one, hosts }), ask)));
      fleet.restore(id, memory);
      expect(said(fleet)).toBe(said(fleetOf(one)));
      fleet.assume(candidate, { group: null });
      fleet.settleDevices(candidate.host, hosts.find((host) => host.id === id)!.rows);
      fleet.restore(id, { ...memory, devices: new Set() });
      expect(devicesIn(place(fleet, ask))).toEqual(devicesIn(place(fleetOf({ ...one, hosts }), ask)));
    }), { numRuns: Math.ceil(RUNS / 4) });
  });
});

/** By host: which devices, or where it says no. */
const devicesIn = (placement: ReturnType<typeof place>): unknown => ('candidates' in placement
  ? placement.candidates.map(({ host, layout }) => [host, layout?.devices?.map(({ deviceId, generation }) => `${deviceId} ${generation}`)]).sort()
  : placement.explanation.filters.map(({ name, refused }) => [name, refused]));
