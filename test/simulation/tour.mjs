// A tour through all operations, without weather: servers that each go their way step by step. Whoever gets no answer asks
// again. With one crash in it, at a place that is told, it shows that no place matters.
import {
  confirmResize, deleteServer, migrateServer, pauseServer, rebootServer, rebuildServer, resizeServer, resumeServer, revertResize, startServer, stopServer, suspendServer, unpauseServer,
} from '#libs/contracts';
import { IMAGE_ID } from './world/cloud.mjs';

const rests = (row) => row?.step === 'settled' && row.move_phase === null;
const verifies = (row) => row?.move_phase === 'verify';
const go = (contract, input = {}, when = rests) => ({ contract, input, when });
const migrate = go(migrateServer, { host: null });
const WAYS = [
  [go(stopServer), go(startServer), go(pauseServer), go(unpauseServer), go(suspendServer), go(resumeServer), go(rebootServer, { type: 'soft' }), go(rebuildServer, { imageId: IMAGE_ID })],
  [go(resizeServer, { flavorId: '1' }), go(confirmResize, {}, verifies), migrate, go(revertResize, {}, verifies), go(rebuildServer, { imageId: IMAGE_ID })],
  [migrate, go(confirmResize, {}, verifies), go(resizeServer, { flavorId: '2' }), go(revertResize, {}, verifies)],
  [go(stopServer), migrate, go(deleteServer, {}, (row) => row?.move_phase !== null)],
];

/** Until every server is at the end of its way. @returns false: they did not get there */
export async function tour(play, which) {
  const { world, cloud } = play;
  const ways = (which === undefined ? WAYS : [WAYS[which % WAYS.length]]).map((steps) => ({ steps: [...steps], id: play.create(1, '42')[0], asking: false }));
  for (let second = 0; second < 600 && cloud.broken.length === 0; second += 1) {
    await world.run(world.now + 1_000, () => cloud.broken.length > 0);
    if (!(await play.committed())) continue;
    const rows = new Map((await cloud.store.look('SELECT id, intent, step, move_phase FROM compute.instances')).map((row) => [row.id, row]));
    for (const way of ways) {
      const [step] = way.steps;
      if (step === undefined || way.asking || (way.caller === undefined && !step.when(rows.get(way.id)))) continue;
      // The same request again, when its answer was lost; then a conflict says that it was heard.
      const again = way.caller !== undefined;
      way.caller ??= play.caller(true);
      way.asking = true;
      const over = (done) => { way.asking = false; if (done) { way.steps.shift(); way.caller = undefined; } };
      const heard = (error) => { const isConflict = error.kind === 'conflict' || error.kind === 'not-found'; if (isConflict && !again) way.caller = undefined; over(isConflict && again); };
      world.after(0, () => void cloud.client.ask(step.contract, { caller: way.caller, instanceId: way.id, ...step.input }).then(() => over(true), heard), null);
    }
    if (ways.every(({ steps }) => steps.length === 0)) return true;
  }
  return cloud.broken.length > 0;
}
