/**
 * The hands for devices that come to, and leave, a server that is there. Each looks anew at what is to be done, and goes on with the next
 * device when one fails: what is wrong with one is that one's, never the server's.
 *
 * Notes first, then the device; and the other way round when it goes. A crash anywhere leaves notes that name all that the domain has.
 */
import type { Failure, InstanceFacts } from '../decide/facts.js';
import type { OwnDevice } from '../decide/layout.js';
import { deviceStandings, isDue, type DeviceStanding } from '../decide/own-devices.js';
import { isActive } from '../decide/state.js';
import { StepError } from '../errors.js';
import type { ActionContext } from './context.js';

type Looked = Pick<InstanceFacts, 'domain'> & { readonly due: readonly DeviceStanding[]; readonly noted: readonly OwnDevice[] };

async function look({ desired, machine, progress, nowMs, bootId }: ActionContext, does: DeviceStanding['does']): Promise<Looked> {
  const { domains } = await machine.hypervisor.observe(new Set([desired.id]));
  const domain = domains.get(desired.id) ?? null;
  const devices = machine.devices?.readiness(desired);
  const standings = domain?.notes && devices ? deviceStandings({ desired, domain, progress: progress(), devices }) : [];
  return { domain, noted: domain?.notes?.devices ?? [], due: standings.filter((each) => each.does === does && isDue(each, { nowMs: nowMs(), bootId })) };
}

const trouble = ({ book }: ActionContext, devices: readonly OwnDevice[], failure: (device: OwnDevice) => Failure | null): Promise<void> => book((progress) => {
  const next = { ...progress.devices };
  for (const device of devices) {
    const failed = failure(device);
    if (failed) next[device.identity] = failed;
    else delete next[device.identity];
  }
  return { ...progress, devices: next };
});

/** Devices of one attachment together: their mates are taken from the host with them. */
export async function attachDevices(context: ActionContext): Promise<void> {
  const { desired, machine, signal, judge, book } = context;
  const { domain, noted, due } = await look(context, 'attach-device');
  if (!machine.devices || !desired.layout || !domain) return;
  let notes = [...noted];
  for (const attachment of new Set(due.map(({ device }) => device.attachment))) {
    const of = due.filter(({ device }) => device.attachment === attachment);
    const devices = of.map(({ device }) => device);
    try {
      const subset = { ...desired, layout: { ...desired.layout, devices } };
      const placed = isActive({ domain }) ? await machine.devices.prepare(subset, signal) : machine.devices.place(subset);
      notes = [...notes.filter(({ place }) => !devices.some((device) => device.place === place)), ...devices];
      await machine.hypervisor.bookDevices(desired, notes);
      for (const device of placed) {
        const definition = await machine.hypervisor.attachDevice(desired.id, device);
        if (definition !== null) void book((before) => ({ ...before, definition })).catch(() => undefined);
      }
      await trouble(context, devices, () => null);
    } catch (error) {
      await trouble(context, devices, ({ identity, generation }) => judge(of.find(({ device }) => device.identity === identity)?.trouble ?? null, 'attach-device', generation, error));
    }
  }
}

export async function detachDevices(context: ActionContext): Promise<void> {
  const { desired, machine, judge } = context;
  const { noted, due } = await look(context, 'detach-device');
  const gone: OwnDevice[] = [];
  for (const { device, trouble: before } of due) {
    const again = (error: unknown): Promise<void> => trouble(context, [device], () => judge(before, 'detach-device', device.generation, error));
    try {
      if ((await machine.hypervisor.detachDevice(desired.id, device.place)) === 'gone') gone.push(device);
      else await again(new StepError('guest-asked', '', 'counted'));
    } catch (error) {
      await again(error);
    }
  }
  if (gone.length === 0) return;
  await machine.hypervisor.bookDevices(desired, noted.filter((device) => !gone.includes(device)));
  await trouble(context, gone, () => null);
}
