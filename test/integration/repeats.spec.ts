/** Writes that a repeat under an Idempotency-Key performs again after a crash, at their owners, over real PostgreSQL. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createKeypair, getKeypair, getLimits, type Caller } from '#libs/contracts';
import type { Ids } from '#libs/http';
import { InMemoryBus } from '#libs/messaging';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import type { ImageConfig } from '../../apps/image-store/src/config.js';
import { CreateImage } from '../../apps/image-store/src/images/create-image.js';
import { ImagesRepository } from '../../apps/image-store/src/images/images.repository.js';
import { ImageLimitsCopy } from '../../apps/image-store/src/quota/image-limits-copy.js';
import { ImageUsageRepository } from '../../apps/image-store/src/quota/image-usage.repository.js';
import { ComputeUnderTest } from '../support/compute-service.js';
import { callerOf, ComputeWorld } from '../support/compute-world.js';

const again = (caller: Caller): Caller => ({ ...caller, repeat: true });

describe('a keypair', () => {
  let t: TestDatabase;
  let world: ComputeWorld;
  let compute: ComputeUnderTest;
  beforeAll(async () => {
    t = await startTestDatabase('compute');
    world = new ComputeWorld(1);
    compute = await new ComputeUnderTest(world, t.db).start();
  });
  afterAll(async () => {
    await compute?.stop();
    await world?.close();
    await t?.stop();
  });
  const create = (caller: Caller, name: string, publicKey: string | null = null) => world.bus.ask(createKeypair, { caller, name, type: 'ssh', publicKey });

  it('that was made here, and whose private half was lost with its answer, is made anew for the request that made it', async () => {
    const caller = callerOf('p1');
    const lost = await create(caller, 'k');
    const got = await create(again(caller), 'k');
    expect([got.privateKey?.includes('PRIVATE KEY'), got.keypair.id, got.keypair.publicKey === lost.keypair.publicKey]).toEqual([true, lost.keypair.id, false]);
    expect(await world.bus.ask(getKeypair, { caller, userId: caller.userId, name: 'k' })).toEqual(got.keypair);
    for (const other of [callerOf('p1'), again(callerOf('p1')), caller]) await expect(create(other, 'k')).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('that was imported is the same', async () => {
    const caller = callerOf('p1');
    const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBIYGHzgcZuAo9BTv4H8bJMhPXmsxSTIxVT6Mk6yWU1O me';
    const first = await create(caller, 'imported', key);
    expect(await create(again(caller), 'imported', key)).toEqual(first);
  });
});

describe('an image', () => {
  let t: TestDatabase;
  beforeAll(async () => { t = await startTestDatabase('image'); });
  afterAll(async () => { await t?.stop(); });

  it('that its first try made is the answer; another’s id is refused', async () => {
    // Room for one: a repeat is not one more.
    const bus = new InMemoryBus();
    bus.handle(getLimits, async () => ({ limits: { image_count_total: 1 }, generation: 1, incarnation: 1, known: true }), { group: 'identity' });
    const images = new CreateImage(new ImagesRepository(t.db, new ImageUsageRepository(t.db, {} as ImageConfig)), new ImageLimitsCopy(bus));
    const id = randomUUID();
    const ids = (repeat: boolean): Ids => ({ repeat, uuid: () => id, bytes: (_label, length) => Buffer.alloc(length) });
    const [caller, body] = [callerOf('p1'), { name: 'mine' } as Parameters<CreateImage['run']>[1]];
    const made = await images.run(caller, body, ids(false));
    expect(await images.run(caller, body, ids(true))).toEqual(made);
    await expect(images.run(caller, body, ids(false))).rejects.toMatchObject({ kind: 'conflict' });
    await expect(images.run(callerOf('p2'), body, ids(true))).rejects.toMatchObject({ kind: 'conflict' });
  });
});
