/** Resizes that nobody confirms, when the operator says that they are confirmed by themselves after a while. */
import { expect, it } from '@jest/globals';
import { confirmResize, deleteServer, lockServer } from '#libs/contracts';
import { AutoConfirm } from '../../apps/compute/src/moves/auto-confirm.js';
import { MigrationsRepository } from '../../apps/compute/src/moves/migrations.repository.js';
import { as, client, database, expectGone, migrations, open, resize, server, sql, useMoves, world } from '../support/moves-test.js';

useMoves();

const auto = (confirmAfterS: number): AutoConfirm => new AutoConfirm(
  new MigrationsRepository(database()), { confirm: (input: never) => world.bus.ask(confirmResize, input) } as never, { resizeInPlace: false, confirmAfterS }, { debug: () => undefined } as never);

it('confirms what has waited long enough, locked or not, and nothing else', async () => {
  await open();
  const [due, early, errored] = [await server(), await server(), await server()];
  for (const { view } of [due, early, errored]) {
    await resize(view);
    await client().reaches(view.id, 'VERIFY_RESIZE');
  }
  expect(await auto(3_600).confirmDue()).toBe(0);
  await world.bus.ask(lockServer, { ...as(due.view), reason: null } as never);
  await sql("UPDATE compute.instances SET step = 'failed', version = version + 1 WHERE id = $1", [errored.view.id]);
  await sql("UPDATE compute.migrations SET updated_at = now() - interval '2 hours' WHERE instance_id = ANY($1::uuid[])", [[due.view.id, errored.view.id]]);
  expect(await auto(3_600).confirmDue()).toBe(1);
  expect(await client().reaches(due.view.id, 'ACTIVE')).toMatchObject({ hostName: due.away.name, flavor: { id: 'big' } });
  expect((await migrations(due.view)).map(({ status }) => status)).toEqual(['confirmed']);
  expect(await sql("SELECT user_id FROM compute.instance_events WHERE instance_id = $1 AND kind = 'confirm'", [due.view.id])).toEqual([{ user_id: 'skylite' }]);
  expect([await client().status(early.view.id), (await migrations(errored.view))[0]?.status]).toEqual(['VERIFY_RESIZE', 'finished']);
  expect(await auto(3_600).confirmDue()).toBe(0);
  await world.bus.ask(confirmResize, as(early.view));
  for (const { view } of [due, early, errored]) {
    await world.bus.ask(deleteServer, as(view));
    await expectGone(view.id);
  }
});
