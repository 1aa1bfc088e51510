/**
 * A plan of a guest that has devices of its host: it is neither started nor taken down to be started again without them, and its
 * definition names where they stand today. Pure. Never chooses a device; a guest that runs is left as it is.
 */
import type { Readiness } from '../devices/decide/ready.js';
import type { InstanceFacts, Step } from './facts.js';
import { devicesIn } from './layout.js';
import { isActive } from './state.js';

export type DeviceVerdict =
  | { readonly kind: 'go'; readonly steps: readonly Step[] }
  | { readonly kind: 'wait' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

const UNSUPPORTED: Readiness = { kind: 'refused', code: 'devices-unsupported', message: 'This host gives no devices to guests: its agent does not look at them (SKYLITE_DEVICES).' };
const NONE: Readiness = { kind: 'ready', devices: [] };
const BEFORE: ReadonlySet<Step> = new Set<Step>(['define', 'book-reboot', 'book-wake', 'start']);

export function withDevices(facts: InstanceFacts, steps: readonly Step[]): DeviceVerdict {
  const { desired, domain } = facts;
  const wanted = devicesIn(desired.layout);
  const defined = domain?.hostdevs ?? [];
  if (wanted.length === 0 && defined.every(({ place }) => place === null)) return { kind: 'go', steps };
  const starts = steps.includes('start');
  const takesDown = isActive(facts) && desired.intent !== 'stopped' && (steps.includes('press-power-button') || steps.includes('destroy'));
  if (!starts && !takesDown && !steps.includes('define')) return { kind: 'go', steps };
  const devices = wanted.length === 0 ? NONE : facts.devices ?? UNSUPPORTED;
  if (devices.kind !== 'ready') return devices.kind === 'wait' ? { kind: 'wait' } : devices;
  if (!starts) return { kind: 'go', steps };
  // Defined when the host's bus was numbered otherwise (what stands at the old address now may be anybody's), or before devices came or went.
  const today = devices.devices.map(({ claimed: { place }, address }) => ({ place, address }));
  const isMoved = domain !== null && JSON.stringify(defined.map(({ place, address }) => ({ place, address }))) !== JSON.stringify(today);
  const at = steps.findIndex((step) => BEFORE.has(step));
  return { kind: 'go', steps: [...steps.slice(0, at), ...(wanted.length > 0 ? ['prepare-devices' as const] : []), ...(isMoved && !steps.includes('define') ? ['define' as const] : []), ...steps.slice(at)] };
}
