/**
 * The hands: one function a step. Each is idempotent, has a deadline and books what must be known after a crash.
 *
 * Never decides what comes next, and never acts without being in a plan. A crash inside any of them leaves a state from
 * which the next plan goes on.
 */
import type { DesiredInstance } from '#libs/contracts';
import type { Progress, Step } from '../decide/facts.js';
import { StepError } from '../errors.js';
import { configDriveDigest } from '../files/config-drive.js';
import { LIMITS } from '../limits.js';
import type { ActionContext } from './context.js';
import { attachDevices, detachDevices } from './own-devices.js';

export interface Action {
  readonly timeoutMs: number;
  /** May be broken off when the intent changes; the others are short, and are let finish. */
  readonly interruptible?: boolean;
  run(context: ActionContext): Promise<void>;
}

const { short, disk, copy, memory, start, image } = LIMITS.actionMs;

export const ACTIONS: Readonly<Record<Step, Action>> = {
  /** The ledger knows less than the domain's own notes: take them over. */
  adopt: {
    timeoutMs: short,
    run: async ({ desired, machine, book }) => {
      const { domains } = await machine.hypervisor.observe(new Set([desired.id]));
      const notes = domains.get(desired.id)?.notes;
      if (!notes) return;
      const frozen = notes.frozen ?? (await machine.hypervisor.freeze());
      await book((progress) => ({ ...progress, built: progress.built ?? notes.specGeneration, diskGeneration: progress.built === null ? notes.diskGeneration : progress.diskGeneration, frozen: progress.frozen ?? frozen, rebootCount: Math.max(progress.rebootCount, notes.rebootCount) }));
    },
  },

  'fetch-image': { timeoutMs: image, interruptible: true, run: ({ desired, machine, signal }) => machine.files.fetchImage(desired, signal) },
  'make-disk': { timeoutMs: disk, interruptible: true, run: ({ desired, machine, signal }) => machine.files.makeDisk(desired, signal) },
  'receive-disk': { timeoutMs: image, interruptible: true, run: ({ desired, machine, signal }) => machine.files.receiveDisk(desired, signal) },
  'keep-disk': { timeoutMs: copy, interruptible: true, run: ({ desired, machine, signal }) => machine.files.keepDisk(desired, signal) },
  'restore-disk': { timeoutMs: disk, run: ({ desired, machine }) => machine.files.restoreDisk(desired) },
  'grow-disk': { timeoutMs: disk, run: ({ desired, machine, signal }) => machine.files.growDisk(desired, signal) },
  'drop-disks': { timeoutMs: disk, run: ({ desired, machine }) => machine.files.dropDisks(desired) },
  'drop-previous': { timeoutMs: disk, run: ({ desired, machine }) => machine.files.dropPrevious(desired) },
  'make-config-drive': {
    timeoutMs: short,
    run: async ({ desired, machine, book }) => {
      await machine.files.makeConfigDrive(desired);
      // Losing the note costs making the same drive once more.
      void book((progress) => ({ ...progress, configDrive: configDriveDigest(desired) })).catch(() => undefined);
    },
  },

  /** A device is booked as handed out before it is touched: a crash leaves one that has to be cleaned, never one that only seems clean. */
  'prepare-devices': {
    timeoutMs: disk,
    run: async ({ desired, machine, signal }) => {
      if (!machine.devices) throw new StepError('devices-unsupported', 'This host gives no devices to guests.', 'never');
      await machine.devices.prepare(desired, signal);
    },
  },

  'attach-device': { timeoutMs: memory, run: attachDevices }, // what the guest has of memory is pinned
  'detach-device': { timeoutMs: start, run: detachDevices },

  define: {
    timeoutMs: short,
    run: async ({ desired, machine, epoch, progress, book }) => {
      // Frozen for life: a definition that was lost is written again as it was, by whatever agent.
      const frozen = progress().frozen ?? (await machine.hypervisor.freeze());
      // A guest that starts for the first time has every reboot behind it that was asked for until now.
      const rebootCount = progress().built === null ? desired.rebootCount : progress().rebootCount;
      const devices = (desired.layout?.devices ?? []).length > 0 ? machine.devices?.place(desired) : undefined;
      const definition = await machine.hypervisor.define({ desired, frozen, epoch, rebootCount, ...(devices && { devices }) });
      // The domain's own notes say the same: losing this write loses nothing.
      void book((before) => ({ ...before, frozen, definition, built: desired.specGeneration, diskGeneration: desired.diskGeneration, rebootCount })).catch(() => undefined);
    },
  },

  /** Nothing that the domain is made of differs: its notes say so, on or off. */
  'book-spec': {
    timeoutMs: short,
    run: async ({ desired, machine, epoch, progress, book }) => {
      const frozen = progress().frozen ?? (await machine.hypervisor.freeze());
      await machine.hypervisor.bookSpec({ desired, frozen, epoch });
      void book((before) => ({ ...before, frozen, built: desired.specGeneration, diskGeneration: desired.diskGeneration })).catch(() => undefined);
    },
  },

  /** Before the start, so that a crash between the two reboots once and not twice. */
  'book-reboot': {
    timeoutMs: short,
    run: async ({ desired, machine, book }) => {
      // From here on a start is owed, whatever was started before: else a crash after this step would leave the guest off.
      await book((progress) => (progress.started ? { ...progress, started: null } : progress));
      await machine.hypervisor.bookReboots(desired.id, desired.rebootCount);
      await book((progress) => ({ ...progress, rebootCount: desired.rebootCount }));
    },
  },

  /** On disk before the memory is used: from then on a power cut may bring it back, but not the disk as it was. */
  'book-wake': {
    timeoutMs: short,
    run: ({ bootId, nowMs, book }) => book((progress) => ({ ...progress, woken: { atMs: nowMs(), bootId } })),
  },

  start: {
    timeoutMs: memory, // it may be restored
    run: async (context) => {
      await context.machine.hypervisor.startDomain(context.desired.id);
      bookStart(context, context.wallMs());
    },
  },

  'book-start': {
    timeoutMs: short,
    run: async (context) => bookStart(context, context.progress().startedAtMs ?? context.wallMs()),
  },

  pause: { timeoutMs: start, run: ({ desired, machine }) => machine.hypervisor.pause(desired.id) },
  resume: { timeoutMs: start, run: ({ desired, machine }) => machine.hypervisor.resume(desired.id) },

  /** Counts as started for this generation: when somebody takes the saved memory away, that is said and not undone by a boot. */
  save: {
    timeoutMs: memory,
    run: async (context) => {
      await context.machine.hypervisor.save(context.desired.id);
      bookStart(context, context.progress().startedAtMs ?? context.wallMs());
    },
  },
  'drop-saved': { timeoutMs: short, run: ({ desired, machine }) => machine.hypervisor.dropSaved(desired.id) },

  /** Booked first: patience is counted from the first press, also over a crash. */
  'press-power-button': {
    timeoutMs: short,
    run: async ({ desired, machine, bootId, nowMs, book }) => {
      const lastMs = nowMs();
      await book((progress) => {
        const before = progress.powerButton?.bootId === bootId ? progress.powerButton : null;
        return { ...progress, ...owing(desired), powerButton: { firstMs: before?.firstMs ?? lastMs, lastMs, bootId } };
      });
      await machine.hypervisor.pressPowerButton(desired.id);
    },
  },

  destroy: {
    timeoutMs: start,
    run: async ({ desired, machine, book }) => {
      await book((progress) => (progress.started ? { ...progress, ...owing(desired) } : progress));
      await machine.hypervisor.destroy(desired.id);
      await book((progress) => (progress.powerButton ? { ...progress, powerButton: null } : progress));
    },
  },

  undefine: { timeoutMs: short, run: ({ desired, machine }) => machine.hypervisor.undefine(desired.id) },
  'remove-files': { timeoutMs: disk, run: ({ desired, machine }) => machine.files.remove(desired.id) },
};

/**
 * Who is taken down while it is wanted on is owed a start, whatever was started before: also under a number that was used twice, for after a
 * restore of the database an older wish may have had it.
 */
const owing = ({ intent }: DesiredInstance): Partial<Progress> => (intent === 'stopped' || intent === 'deleted' ? {} : { started: null });

/** Not waited for: losing the note costs one look at a guest that runs, never a second start of one that does. */
function bookStart({ desired, bootId, book }: ActionContext, startedAtMs: number): void {
  const started = { generation: desired.generation, bootId };
  void book((progress) => ({ ...progress, started, startedAtMs, powerButton: null })).catch(() => undefined);
}
