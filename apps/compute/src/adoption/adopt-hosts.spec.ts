import { describe, expect, it } from '@jest/globals';
import { adoptClaims, listHosts, readLedger, type HostId } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { InMemoryBus } from '#libs/messaging';
import { AdoptHosts } from './adopt-hosts.js';

const A = '0a000000-0000-4000-8000-000000000001' as HostId;
const B = '0b000000-0000-4000-8000-000000000002' as HostId;
const view = (id: HostId, adoptedIncarnation: number) => ({
  id, number: 1, name: id, availabilityZone: 'nova', enabled: true, disabledReason: null, alive: true, hypervisorUp: true, lastSeenAt: null, simulated: true, virtType: 'simulated' as const, agentVersion: '0', capabilities: [],
  inventory: null, used: { vcpus: 0, memoryMib: 0, diskGib: 0, instances: 0 }, ratios: { cpu: 1, ram: 1, disk: 1 }, bootId: 'b', epoch: 1, updatedAt: '2026-01-01T00:00:00.000Z', adoptedIncarnation,
});

describe('AdoptHosts', () => {
  it('rings the bell of the adopted host, and of each other one that has something new to hear by it', async () => {
    const bus = new InMemoryBus();
    bus.handle(listHosts, async ({ id }) => ({ hosts: [view(A, 1), view(B, 2)].filter((host) => id === undefined || host.id === id) }), { group: 'scheduler' });
    bus.handle(adoptClaims, async () => ({}), { group: 'scheduler' });
    for (const hostId of [A, B]) bus.handle(readLedger, async () => ({ incarnation: 1, epoch: 1, upTo: 1, entries: [], more: false }), { group: 'agent', hostId });
    const rung: string[] = [];
    const repository = { rows: async () => new Map(), followed: async () => new Map(), follow: async () => [B], held: async () => [] };
    const adopt = new AdoptHosts(repository as never, { list: async () => [] } as never, { hint: (id: string) => rung.push(id) } as never, { incarnation: 2 } as never, bus);
    const caller = { userId: 'u', userName: 'u', projectId: 'p', projectName: 'p', domainId: 'default', roles: ['admin'], isAdmin: true, requestId: 'req-1' };
    await adopt.adopt({ caller, hostIds: null, statement: 'x' } as never);
    expect(rung.sort()).toEqual([A, B]);
    await bus.close();
  });

  it('books nothing of a host that somebody else adopts at the same time, and says so', async () => {
    const bus = new InMemoryBus();
    let [adopted, then] = [1, 1];
    const booked: string[] = [];
    bus.handle(listHosts, async () => ({ hosts: [view(A, adopted)] }), { group: 'scheduler' });
    bus.handle(adoptClaims, async ({ hostId }) => { booked.push(hostId); return {}; }, { group: 'scheduler' });
    bus.handle(readLedger, async () => { adopted = then; return { incarnation: 1, epoch: 1, upTo: 1, entries: [], more: false }; }, { group: 'agent', hostId: A });
    let meanwhile = (): void => { throw conflict('Somebody else was adopting host A at the same time; look again.'); };
    const repository = { rows: async () => new Map(), followed: async () => new Map([[A, 3]]), held: async () => [], follow: async ({ asOf }: { asOf: number }) => { expect(asOf).toBe(3); meanwhile(); return []; } };
    const adopt = new AdoptHosts(repository as never, { list: async () => [] } as never, { hint: () => undefined } as never, { incarnation: 2 } as never, bus);
    const caller = { userId: 'u', userName: 'u', projectId: 'p', projectName: 'p', domainId: 'default', roles: ['admin'], isAdmin: true, requestId: 'req-1' };
    const ask = () => adopt.adopt({ caller, hostIds: null, statement: 'x' } as never);
    expect([(await ask()).hosts[0]?.problem, booked]).toEqual(['Somebody else was adopting host A at the same time; look again.', []]);
    // It has come to its end between the question and the writing.
    then = 2;
    meanwhile = () => { throw new Error('it was written'); };
    await ask();
    expect(booked).toEqual([]);
    await bus.close();
  });
});
