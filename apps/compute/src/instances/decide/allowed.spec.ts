import { describe, expect, it } from '@jest/globals';
import { STATES, type DerivedStatus } from '#libs/openstack';
import { ALLOWED, OPERATIONS, whyNotAllowed, type Operation } from './allowed.js';

/** Every state that an instance can be seen in; the rule table of the status words says which there are. */
const states = [...new Map(STATES.map((state) => [`${state.vmState}/${state.taskState ?? '-'}`, state])).entries()];
const everywhere = states.map(([name]) => name);
const atRest = everywhere.filter((name) => /^(?:active|paused|suspended|stopped)[/]/.test(name));
const subject = (state: Pick<DerivedStatus, 'vmState' | 'taskState'>, change: { locked?: boolean; launched?: boolean } = {}) =>
  ({ id: 'x', locked: false, launched: true, state: { status: 'ACTIVE', powerState: 1, ...state } as DerivedStatus, ...change });

/** vm_state/task_state in which the operation goes on; everywhere else it is refused with Nova's 409. Taken from Nova's own checks, not from the code. */
const EXPECTED: Readonly<Record<Operation, readonly string[]>> = {
  // Nova starts what is stopped; here an errored server is armed again too.
  start: ['stopped/-', 'error/-'],
  stop: ['active/-', 'error/-'],
  'reboot-soft': ['active/-'],
  'reboot-hard': [
    'active/-', 'active/rebooting', 'active/rebooting_hard', 'active/pausing', 'active/suspending', 'stopped/-', 'stopped/rebooting_hard', 'stopped/suspending',
    'paused/-', 'paused/unpausing', 'suspended/-', 'suspended/resuming', 'error/-',
  ],
  pause: ['active/-'],
  unpause: ['paused/-'],
  suspend: ['active/-'],
  resume: ['suspended/-'],
  rebuild: ['active/-', 'stopped/-', 'error/-'],
  resize: ['active/-', 'stopped/-'],
  migrate: ['active/-', 'stopped/-'],
  'confirm-resize': ['resized/-'],
  'revert-resize': ['resized/-'],
  // Nova: active, stopped and error; a paused or suspended guest of a lost host is lost alike.
  evacuate: everywhere.filter((name) => /^(?:active|stopped|paused|suspended|error)[/]/.test(name)),
  update: everywhere,
  'update-metadata': atRest,
  'delete-metadata': atRest,
  'update-tags': atRest,
  'delete-tags': atRest,
  'attach-device': ['active/-', 'stopped/-'],
  'detach-device': ['active/-', 'stopped/-', 'error/-'],
  lock: everywhere,
  unlock: everywhere,
  'reset-state': everywhere,
  delete: everywhere,
  'force-delete': everywhere,
};
const NEEDS_LAUNCHED: readonly Operation[] = ['stop', 'reboot-soft', 'reboot-hard', 'pause', 'unpause', 'suspend', 'resume', 'resize', 'migrate', 'confirm-resize', 'revert-resize', 'evacuate', 'attach-device', 'detach-device'];
const EVEN_LOCKED: readonly Operation[] = ['evacuate', 'update', 'update-tags', 'delete-tags', 'lock', 'unlock', 'reset-state'];

describe('whyNotAllowed', () => {
  it('has an expectation for every operation', () => {
    expect(Object.keys(EXPECTED).sort()).toEqual([...OPERATIONS].sort());
    expect(Object.keys(ALLOWED).sort()).toEqual([...OPERATIONS].sort());
    expect(Object.values(EXPECTED).flat().filter((name) => !everywhere.includes(name))).toEqual([]);
  });

  describe.each(OPERATIONS)('%s', (operation) => {
    it.each(states)('in %s', (name, state) => {
      const problem = whyNotAllowed(operation, subject(state), false);
      if (EXPECTED[operation].includes(name)) expect(problem).toBeUndefined();
      else expect(problem).toMatch(new RegExp(`^Cannot '${ALLOWED[operation].action}' instance x while it is in (?:vm_state ${state.vmState}|task_state ${state.taskState ?? 'None'})$`));
    });

    const allowed = states.find(([name]) => EXPECTED[operation].includes(name))![1];
    it('before it ever ran', () => {
      expect(whyNotAllowed(operation, subject(allowed, { launched: false }), false)).toBe(NEEDS_LAUNCHED.includes(operation) ? 'Instance x is not ready' : undefined);
    });

    it('locked', () => {
      expect(whyNotAllowed(operation, subject(allowed, { locked: true }), false)).toBe(EVEN_LOCKED.includes(operation) ? undefined : 'Instance x is locked');
      expect(whyNotAllowed(operation, subject(allowed, { locked: true }), true)).toBeUndefined();
    });
  });
});
