/** The compute service as it is served, over a real database and a scripted world; its writes can be made to fail. */
import { randomUUID } from 'node:crypto';
import type { INestMicroservice } from '@nestjs/common';
import { pino } from 'pino';
import {
  createServers, deleteServer, getServer, inspectServer, type Caller, type InputOf, type InstanceId, type InstanceView, type OutputOf,
} from '#libs/contracts';
import type { Database } from '#libs/db';
import { createBusApplication } from '#libs/messaging';
import { deriveStatus } from '#libs/openstack';
import { ComputeModule, seedCompute } from '../../apps/compute/src/compute.module.js';
import { callerOf, IMAGE_ID, type ComputeWorld } from './compute-world.js';

/** Sees every write (one statement, or one transaction) before and after its commit; throwing there is a failure there. */
export interface WriteHook {
  /** The process is gone: nothing of it reaches the database any more. */
  dead?: boolean;
  before?(text: string): Promise<void> | void; /** `rows`: how many were written; a statement that wrote none costs no commit. */
  after?(text: string, rows: number): Promise<void> | void; twice?: boolean }

const isWrite = (text: string): boolean => /\b(?:INSERT|UPDATE|DELETE)\b/.test(text) && !/^\s*SELECT/.test(text);

export function watched(db: Database, hook: WriteHook): Database {
  const pool = new Proxy(db.pool, {
    get: (target, key) => {
      if (key !== 'query') return Reflect.get(target, key, target) as unknown;
      return async (text: string, values: unknown[]) => {
        if (hook.dead === true) throw new Error('this process is dead');
        if (typeof text !== 'string' || !isWrite(text)) return target.query(text, values);
        await hook.before?.(text);
        const result = await target.query(text, values);
        if (hook.twice === true) await target.query(text, values);
        await hook.after?.(text, result.rowCount ?? 0);
        return result;
      };
    },
  });
  return new Proxy(db, {
    get: (target, key) => {
      if (key === 'pool') return pool;
      if (key !== 'transaction') return Reflect.get(target, key, target) as unknown;
      return async (work: Parameters<Database['transaction']>[0]) => {
        if (hook.dead === true) throw new Error('this process is dead');
        await hook.before?.('COMMIT');
        const result = await target.transaction(work);
        await hook.after?.('COMMIT', 1);
        return result;
      };
    },
  });
}

export const FAST = { loopPollMs: 30, leaseMs: 250, waitTickMs: 60, nudgeAfterMs: 200, retryMinMs: 20, retryMaxMs: 100, hostFreshMs: 30, sessionFreshMs: 30 };

export class ComputeUnderTest {
  #app: INestMicroservice | undefined;
  constructor(private readonly world: Pick<ComputeWorld, 'bus'>, private readonly db: Database, private readonly config: Partial<typeof FAST & { buildDeadlineMs: number; claimDeadlineMs: number; operateDeadlineMs: number }> = FAST, private readonly moves: { resizeInPlace?: boolean } = {}) {}

  async start(): Promise<this> {
    await seedCompute(this.db);
    this.#app = await createBusApplication(ComputeModule.register({ bus: this.world.bus, db: this.db, logger: pino({ level: 'silent' }), config: this.config, moves: this.moves }), this.world.bus, 'compute');
    await this.#app.listen();
    return this;
  }

  async stop(): Promise<void> { await this.#app?.close(); }
}

export const request = (caller: Caller, change: Partial<InputOf<typeof createServers>> = {}): InputOf<typeof createServers> => ({
  caller, instanceIds: [randomUUID()], minCount: 1, name: 'web', hostname: null, description: null, flavorId: '42', imageId: IMAGE_ID, keyName: null, userData: null,
  metadata: {}, tags: [], availabilityZone: null, requestedHost: null, reservationId: 'r-12345678', ...change,
});

export class Client {
  constructor(private readonly world: Pick<ComputeWorld, 'bus'>, readonly caller: Caller = callerOf('p1')) {}

  /** A new request id each time: these are new requests. */
  get as(): Caller { return { ...this.caller, requestId: `req-${randomUUID()}` }; }

  async create(change: Partial<InputOf<typeof createServers>> = {}): Promise<InstanceView> {
    const { instances } = await this.world.bus.ask(createServers, request(this.as, change));
    return instances[0] as InstanceView;
  }
  get(id: string): Promise<InstanceView> { return this.world.bus.ask(getServer, { caller: this.as, instanceId: id as InstanceId }); }
  inspect(id: string): Promise<OutputOf<typeof inspectServer>> { return this.world.bus.ask(inspectServer, { caller: { ...this.as, isAdmin: true }, instanceId: id as InstanceId }); }
  async delete(id: string): Promise<void> { await this.world.bus.ask(deleteServer, { caller: this.as, instanceId: id as InstanceId }); }

  /** `STATUS/task`. */
  async status(id: string): Promise<string> { return statusText(await this.get(id)); }
  async reaches(id: string, status: string, ms = 60_000): Promise<InstanceView> {
    let last = '';
    let view: InstanceView | undefined;
    // The answer that showed it: whoever answers may be killed right after.
    await eventually(async () => {
      view = await this.get(id).catch((error: unknown) => { last = String(error); return undefined; });
      if (view) last = statusText(view);
      return last === status;
    }, () => `${id} is ${last}, not ${status}`, ms);
    return view as InstanceView;
  }
  /** Nothing is left of it. */
  async finished(id: string, ms = 60_000): Promise<void> {
    await eventually(async () => (await this.inspect(id).catch(() => undefined))?.step === 'finished', () => `${id} is not finished`, ms);
  }
}

function statusText(view: InstanceView): string {
  const { status, taskState } = deriveStatus(view);
  return taskState === null ? status : `${status}/${taskState}`;
}

export async function eventually(test: () => Promise<boolean> | boolean, why: () => string, ms = 60_000): Promise<void> {
  const end = Date.now() + ms;
  for (;;) {
    if (await test()) return;
    if (Date.now() > end) throw new Error(why());
    await new Promise((done) => setTimeout(done, 10));
  }
}
