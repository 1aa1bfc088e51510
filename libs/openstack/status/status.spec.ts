import { describe, expect, it } from '@jest/globals';
import type { StatusFacts } from './condition.js';
import { deriveStatus, POWER_STATE } from './status.js';

const at = '2026-01-01T00:00:00.000Z';
const running: StatusFacts = {
  intent: 'running', step: 'settled', rebootCount: 0, rebootType: 'soft', hostId: '11111111-1111-4111-8111-111111111111' as StatusFacts['hostId'],
  observedState: 'running', observedRebootCount: 0, rebuilding: false, moveKind: null, movePhase: null, launchedAt: at, terminatedAt: null,
};
const words = (change: Partial<StatusFacts>): string => {
  const { status, vmState, taskState, powerState } = deriveStatus({ ...running, ...change });
  return `${status} ${vmState} ${taskState ?? '-'} ${powerState}`;
};

describe('deriveStatus', () => {
  it.each<[string, Partial<StatusFacts>, string]>([
    ['just asked for', { step: 'claim-host', hostId: null, launchedAt: null, observedState: null }, 'BUILD building scheduling 0'],
    ['given to a host', { step: 'wait-host', launchedAt: null, observedState: 'building' }, 'BUILD building spawning 0'],
    ['running', {}, 'ACTIVE active - 1'],
    ['paused behind our back', { observedState: 'paused' }, 'ACTIVE active - 3'],
    ['told to stop', { intent: 'stopped', step: 'wait-host' }, 'ACTIVE active powering-off 1'],
    ['stopped', { intent: 'stopped', observedState: 'stopped' }, 'SHUTOFF stopped - 4'],
    ['told to start', { step: 'wait-host', observedState: 'stopped' }, 'SHUTOFF stopped powering-on 4'],
    ['soft reboot', { step: 'wait-host', rebootCount: 1 }, 'REBOOT active rebooting 1'],
    ['hard reboot', { step: 'wait-host', rebootCount: 1, rebootType: 'hard' }, 'HARD_REBOOT active rebooting_hard 1'],
    ['hard reboot of a stopped one', { step: 'wait-host', rebootCount: 1, rebootType: 'hard', observedState: 'stopped' }, 'HARD_REBOOT stopped rebooting_hard 4'],
    ['switched itself off', { observedState: 'stopped' }, 'SHUTOFF stopped - 4'],
    ['crashed', { observedState: 'crashed' }, 'SHUTOFF stopped - 6'],
    ['told to pause', { intent: 'paused', step: 'wait-host' }, 'ACTIVE active pausing 1'],
    ['paused', { intent: 'paused', observedState: 'paused' }, 'PAUSED paused - 3'],
    ['told to go on', { step: 'wait-host', observedState: 'paused' }, 'PAUSED paused unpausing 3'],
    ['paused, on a host that came back', { intent: 'paused', step: 'wait-host', observedState: 'stopped' }, 'PAUSED paused powering-on 4'],
    ['told to suspend', { intent: 'suspended', step: 'wait-host' }, 'ACTIVE active suspending 1'],
    ['suspended', { intent: 'suspended', observedState: 'suspended' }, 'SUSPENDED suspended - 4'],
    ['told to resume', { step: 'wait-host', observedState: 'suspended' }, 'SUSPENDED suspended resuming 4'],
    ['being rebuilt', { step: 'wait-host', rebuilding: true, observedState: 'stopped' }, 'REBUILD active rebuilding 4'],
    ['being rebuilt, off', { intent: 'stopped', step: 'wait-host', rebuilding: true, observedState: 'stopped' }, 'REBUILD stopped rebuilding 4'],
    ['a move looks for a host', { moveKind: 'migration', movePhase: 'claim' }, 'RESIZE active resize_prep 1'],
    ['a move stops the guest', { moveKind: 'resize', movePhase: 'stop' }, 'RESIZE active resize_migrating 1'],
    ['a move arrives, off', { intent: 'stopped', moveKind: 'resize', movePhase: 'arrive', observedState: 'building' }, 'RESIZE stopped resize_finish 0'],
    ['a move is looked at', { moveKind: 'resize', movePhase: 'verify' }, 'VERIFY_RESIZE resized - 1'],
    ['a move is confirmed', { moveKind: 'resize', movePhase: 'confirm' }, 'VERIFY_RESIZE resized - 1'],
    ['a move is taken back', { moveKind: 'resize', movePhase: 'revert' }, 'REVERT_RESIZE resized resize_reverting 1'],
    ['evacuating', { moveKind: 'evacuation', movePhase: 'arrive', observedState: null }, 'REBUILD active rebuilding 0'],
    ['failed to build', { step: 'failed', hostId: null, launchedAt: null, observedState: null }, 'ERROR error - 0'],
    ['being deleted', { intent: 'deleted', step: 'wait-host' }, 'ACTIVE active deleting 1'],
    ['deleted while building', { intent: 'deleted', step: 'wait-host', launchedAt: null, observedState: 'building' }, 'BUILD building deleting 0'],
    ['deleted for good', { intent: 'deleted', step: 'finished', terminatedAt: at, observedState: 'absent' }, 'DELETED deleted - 0'],
  ])('%s', (_name, change, expected) => expect(words(change)).toBe(expected));

  it('shows progress only where Nova does', () => {
    expect(deriveStatus(running)).toMatchObject({ progress: 0, powerState: POWER_STATE.RUNNING });
    expect(deriveStatus({ ...running, intent: 'stopped', observedState: 'stopped' })).not.toHaveProperty('progress');
  });
});
