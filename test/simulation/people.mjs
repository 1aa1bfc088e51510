// What people ask for: each operation with its weight. They look at the list first, so most of what they ask makes sense in
// the state that a server is in; one in five does not look.
import {
  confirmResize, deleteServer, evacuateServer, forceDeleteServer, lockServer, migrateServer, pauseServer, rebootServer, rebuildServer, resetServerState, resizeServer, resumeServer,
  revertResize, startServer, stopServer, suspendServer, unlockServer, unpauseServer,
} from '#libs/contracts';
import { IMAGE_ID } from './world/cloud.mjs';

const FLAVORS = ['42', '1', '2'];
const admin = (play) => ({ caller: play.caller(true) });
const rests = (row) => row.step === 'settled' && row.move_phase === null;
const runs = (row) => rests(row) && row.intent === 'running';

/** Each: a weight, and what it asks of the client's end of the bus. */
export const OPERATIONS = [
  { name: 'create', weight: 8, run: (play) => play.create(1) },
  { name: 'create-many', weight: 2, run: (play) => play.create(2 + play.random.int(4)) },
  { name: 'delete', weight: 4, run: (play) => play.act(deleteServer) },
  { name: 'force-delete', weight: 1, run: (play) => play.act(forceDeleteServer, { fits: (row) => row.move_phase !== null }) },
  { name: 'stop', weight: 4, run: (play) => play.act(stopServer, { fits: runs }) },
  { name: 'start', weight: 4, run: (play) => play.act(startServer, { fits: (row) => row.step === 'failed' || (rests(row) && row.intent === 'stopped') }) },
  { name: 'reboot-soft', weight: 2, run: (play) => play.act(rebootServer, { input: { type: 'soft' }, fits: runs }) },
  { name: 'reboot-hard', weight: 2, run: (play) => play.act(rebootServer, { input: { type: 'hard' }, fits: (row) => row.step === 'failed' || rests(row) }) },
  { name: 'pause', weight: 2, run: (play) => play.act(pauseServer, { fits: runs }) },
  { name: 'unpause', weight: 2, run: (play) => play.act(unpauseServer, { fits: (row) => row.intent === 'paused' }) },
  { name: 'suspend', weight: 2, run: (play) => play.act(suspendServer, { fits: runs }) },
  { name: 'resume', weight: 2, run: (play) => play.act(resumeServer, { fits: (row) => row.intent === 'suspended' }) },
  { name: 'rebuild', weight: 4, run: (play) => play.act(rebuildServer, { input: { imageId: IMAGE_ID }, fits: (row) => row.step === 'failed' || rests(row) }) },
  { name: 'resize', weight: 6, run: (play) => play.act(resizeServer, { input: { flavorId: play.flavor(play.random.pick(FLAVORS)) }, fits: rests }) },
  { name: 'migrate', weight: 6, run: (play) => play.act(migrateServer, { input: { ...admin(play), host: play.random.chance(0.3) ? play.random.pick(play.cloud.hosts).name : null }, fits: rests }) },
  { name: 'confirm', weight: 5, run: (play) => play.act(confirmResize, { fits: (row) => row.move_phase === 'verify' }) },
  { name: 'revert', weight: 5, run: (play) => play.act(revertResize, { fits: (row) => row.move_phase === 'verify' }) },
  { name: 'evacuate', weight: 1, run: (play) => play.act(evacuateServer, { input: { ...admin(play), host: null, stopped: play.random.chance(0.3) } }) },
  // Several at once at the same server, as scripts and impatient people do.
  { name: 'burst', weight: 3, run: (play) => play.burst([[stopServer, {}], [startServer, {}], [rebootServer, { type: 'hard' }], [deleteServer, {}], [pauseServer, {}], [rebuildServer, { imageId: IMAGE_ID }], [migrateServer, { host: null }], [confirmResize, {}], [revertResize, {}]]) },
  { name: 'lock', weight: 1, run: (play) => play.act(lockServer, { input: { reason: 'not now' } }) },
  { name: 'unlock', weight: 2, run: (play) => play.act(unlockServer, { fits: (row) => row.locked }) },
  { name: 'reset-state', weight: 1, run: (play) => play.resetState(resetServerState) },
  { name: 'guest-off', weight: 2, run: (play) => play.guestEnds('stopped') },
  { name: 'guest-crash', weight: 1, run: (play) => play.guestEnds('crashed') },
];
