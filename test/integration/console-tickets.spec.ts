// Tickets against PostgreSQL: single use under a storm, expiry, the server's and the login's end, and what history says.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomUUID } from 'node:crypto';
import { openConsole, readDiagnostics, type Caller, type ConsoleKind, type GuestDiagnostics, type InstanceId } from '#libs/contracts';
import { conflict, type SkyError } from '#libs/errors';
import { InMemoryBus } from '#libs/messaging';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { ConsoleTicketsRepository } from '../../apps/compute/src/consoles/console-tickets.repository.js';
import { Consoles } from '../../apps/compute/src/consoles/consoles.js';
import { InstancesRepository } from '../../apps/compute/src/instances/instances.repository.js';
import { LIMITS } from '../../apps/compute/src/limits.js';
import { tempoOf } from '../../apps/compute/src/tempo.js';

const HOST = randomUUID();
const caller = (projectId = 'p1', isAdmin = false): Caller => ({ userId: 'u1', userName: 'demo', projectId, projectName: projectId, domainId: 'default', roles: ['member'], isAdmin, requestId: `req-${randomUUID()}` });
const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
const soon = (ms = 60_000): string => new Date(Date.now() + ms).toISOString();

let t: TestDatabase;
let consoles: Consoles;
const bus = new InMemoryBus();
const GUEST: GuestDiagnostics = { hypervisor: 'qemu', hypervisorOs: 'linux', state: 'running', maxMemoryKib: 1, usedMemoryKib: null, memory: {}, cpus: [], disks: [], nics: [] };
const make = (ttlMs = 60_000): Consoles => new Consoles(new InstancesRepository(t.db, tempoOf()), new ConsoleTicketsRepository(t.db), bus, tempoOf({ consoleTicketTtlMs: ttlMs }));

async function server(change: { state?: string; host?: string | null; frozen?: object } = {}): Promise<InstanceId> {
  const id = randomUUID() as InstanceId;
  const host = change.host === undefined ? HOST : change.host;
  await t.admin.query(`
    INSERT INTO compute.instances (id, cell_id, project_id, user_id, name, hostname, intent, flavor_id, image_id, spec, vcpus, ram_mib, reservation_id, step, reconcile_at,
      host_id, host_sequence, claim_generation, observed_state, observed, launched_at)
    VALUES ($1, 'cell1', 'p1', 'u1', 'web', 'web', 'running', '42', $2, '{}', 1, 128, 'r', 'settled', NULL, $3, $4::int, $4::int, $5, $6, now())`,
  [id, randomUUID(), host, host === null ? null : 1, change.state ?? 'running', JSON.stringify({ frozen: change.frozen ?? { renderVersion: 2, virtType: 'qemu' } })]);
  return id;
}

const ticket = async (id: InstanceId, { kind = 'serial' as ConsoleKind, ends = soon(), as = caller(), from = consoles } = {}): Promise<string> => {
  const text = randomUUID();
  await from.createTicket({ caller: as, instanceId: id, kind, ticketHash: hash(text), sessionEndsAt: ends });
  return text;
};
const redeem = (text: string, sessionId: string = randomUUID()) => consoles.redeem({ ticketHash: hash(text), sessionId, requestId: `req-${randomUUID()}`, from: '192.0.2.7' });
const refusal = async (work: Promise<unknown>): Promise<string> => work.then(() => 'none', (error: SkyError) => `${error.kind}: ${error.message}`);
const USED = 'not-found: This console ticket is unknown, used or expired; ask for a new one.';

beforeAll(async () => {
  t = await startTestDatabase('compute');
  consoles = make();
});
afterAll(async () => {
  await bus.close();
  await t.stop();
});

describe('a ticket', () => {
  it('is good once, also when many show it at once', async () => {
    const id = await server();
    const text = await ticket(id);
    const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => redeem(text)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const { rows } = await t.admin.query("SELECT message, user_id FROM compute.instance_events WHERE instance_id = $1 AND kind = 'console-open'", [id]);
    expect(rows).toEqual([{ message: 'serial console opened from 192.0.2.7', user_id: 'u1' }]);
  });

  it('may be asked of again by the same session, whose end is written once', async () => {
    const id = await server();
    const text = await ticket(id);
    const sessionId = randomUUID();
    expect(await redeem(text, sessionId)).toEqual(await redeem(text, sessionId));
    await consoles.ended({ sessionId, reason: 'done' });
    await consoles.ended({ sessionId, reason: 'again' });
    const { rows } = await t.admin.query('SELECT kind, message FROM compute.instance_events WHERE instance_id = $1 ORDER BY id', [id]);
    expect(rows).toEqual([{ kind: 'console-open', message: 'serial console opened from 192.0.2.7' }, { kind: 'console-close', message: 'serial console closed: done' }]);
    expect(await refusal(consoles.connect({ sessionId, url: 'ws://door/', key: 'k'.repeat(43) }))).toBe('not-found: There is no such console session.');
  });

  it('expires, with the login too, and rests as a digest only', async () => {
    const id = await server();
    expect(await refusal(redeem(await ticket(id, { from: make(0) })))).toBe(USED);
    expect(await refusal(redeem(await ticket(id, { ends: soon(-1) })))).toBe(USED);
    expect(await refusal(redeem('never made'))).toBe(USED);
    const text = await ticket(id);
    const { rows } = await t.admin.query<{ dump: string }>('SELECT string_agg(t::text, E\'\\n\') AS dump FROM compute.console_tickets t');
    expect(rows[0]?.dump).not.toContain(text);
  });

  it('keeps what a revocation of its login goes by', async () => {
    const id = await server();
    const login = { kid: 'k', claims: { auditId: 'a', parentAuditId: null, issuedAt: 1.5, expiresAt: 2, snapshot: '1:2:', user: { id: 'u1', domain: { id: 'default' } }, project: null, roles: [{ id: 'r' }] } };
    await consoles.createTicket({ caller: caller(), instanceId: id, kind: 'serial', ticketHash: hash('with-login'), sessionEndsAt: soon(), login });
    expect((await redeem('with-login')).login).toEqual(login);
    expect(await redeem(await ticket(id))).not.toHaveProperty('login');
  });

  it('is good on the host it was made for, and for what is not deleted', async () => {
    const [moved, gone] = [await server(), await server()];
    const [a, b] = [await ticket(moved), await ticket(gone)];
    await t.admin.query('UPDATE compute.instances SET host_id = $2 WHERE id = $1', [moved, randomUUID()]);
    await t.admin.query("UPDATE compute.instances SET intent = 'deleted' WHERE id = $1", [gone]);
    expect(await refusal(redeem(a))).toBe(USED);
    expect(await refusal(redeem(b))).toBe(USED);
  });

  it('is not for other projects, and not for what is not up', async () => {
    const id = await server();
    expect(await refusal(ticket(id, { as: caller('p2') }))).toBe(`not-found: Instance ${id} could not be found.`);
    await ticket(id, { as: caller('p2', true) });
    for (const state of ['stopped', 'building', 'crashed', 'suspended']) expect(await refusal(ticket(await server({ state })))).toMatch(/^conflict: Instance \S+ is not ready$/);
    expect(await refusal(ticket(await server({ host: null })))).toMatch(/^conflict/);
    await ticket(await server({ state: 'paused' }));
    expect(await refusal(ticket(await server({ frozen: { renderVersion: 1, virtType: 'qemu' } }), { kind: 'vnc' }))).toMatch(/^unsupported: The server was made before/);
    expect(await refusal(ticket(await server({ frozen: { renderVersion: 2, virtType: 'simulated' } }), { kind: 'vnc' }))).toMatch(/^unsupported: The server is a simulated one/);
    await ticket(await server({ frozen: { renderVersion: 1, virtType: 'simulated' } }));
  });

  it('is limited in number, and old ones go', async () => {
    const id = await server();
    for (let n = 0; n < LIMITS.consoleTicketsUnused; n += 1) await ticket(id);
    expect(await refusal(ticket(id))).toMatch(/^too-many-requests/);
    await t.admin.query("UPDATE compute.console_tickets SET created_at = now() - interval '40 days' WHERE instance_id = $1", [id]);
    for (let n = 0; n < 6; n += 1) await ticket(await server());
    expect((await t.admin.query('SELECT 1 FROM compute.console_tickets WHERE instance_id = $1', [id])).rowCount).toBe(0);
  });

  it('has its host open the console', async () => {
    const id = await server();
    const sessionId = randomUUID();
    await redeem(await ticket(id), sessionId);
    const asked: unknown[] = [];
    const subscription = bus.handle(openConsole, async (input) => { asked.push(input); throw conflict('The server is not running.'); }, { group: 'agent', hostId: HOST });
    expect(await refusal(consoles.connect({ sessionId, url: 'ws://door/v1/console-hosts/x', key: 'k'.repeat(43) }))).toBe('conflict: The server is not running.');
    expect(asked).toEqual([{ sessionId, instanceId: id, kind: 'serial', url: 'ws://door/v1/console-hosts/x', key: 'k'.repeat(43) }]);
    await subscription.stop();
  });
});

it('gives diagnostics of what runs', async () => {
  const id = await server();
  bus.handle(readDiagnostics, async () => GUEST, { group: 'agent', hostId: HOST });
  expect(await consoles.diagnostics({ caller: caller(), instanceId: id })).toEqual({ configDrive: true, uptimeS: expect.any(Number), guest: GUEST });
  expect(await refusal(consoles.diagnostics({ caller: caller('p2'), instanceId: id }))).toMatch(/^not-found/);
  const off = await server({ state: 'stopped' });
  expect(await refusal(consoles.diagnostics({ caller: caller(), instanceId: off }))).toBe(`conflict: Cannot 'get_diagnostics' instance ${off} while it is in power state shutdown`);
  expect(await refusal(consoles.diagnostics({ caller: caller(), instanceId: await server({ host: null }) }))).toMatch(/is not ready$/);
});
