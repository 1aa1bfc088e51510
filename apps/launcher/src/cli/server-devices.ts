/** A server's devices as `skylite inspect server` shows them: what the guest has, which one of its host it is, and how it is now. Pure. */
import { table } from './table.js';

export interface DeviceOfServer {
  readonly class: string; readonly tag: string | null; readonly mac: string | null; readonly vlan: number | null; readonly physicalNetwork: string | null;
  /** Left out by older services. attachment null: it came with the flavor. */
  readonly attachment?: string | null; readonly state?: string; readonly reason?: string | null;
  readonly on?: { readonly id: string; readonly identity: string; readonly generation: number; readonly numaNode: number | null; readonly attach: string; readonly address: string | null; readonly state: string | null; readonly reason: string | null };
}

export function serverDevicesText(devices: readonly DeviceOfServer[]): string {
  const rows = devices.map(({ on, ...guest }) => [guest.class, guest.state ?? 'attached', guest.attachment ?? 'flavor', guest.tag, guest.mac, guest.vlan, guest.physicalNetwork, on?.identity, on?.address, on?.numaNode, on?.attach, on?.generation, on?.state].map((value) => (value === null || value === undefined ? '-' : String(value))));
  const reasons = devices.flatMap(({ on, reason, class: name }) => [...(reason ? [`${on?.identity ?? name}: ${reason}`] : []), ...(on?.reason ? [`${on.identity}: ${on.reason}`] : [])]);
  return [table(['CLASS', 'STATE', 'ATTACHMENT', 'TAG', 'MAC', 'VLAN', 'NETWORK', 'IDENTITY', 'ADDRESS', 'NUMA', 'ATTACHED AS', 'GENERATION', 'DEVICE'], rows), ...reasons].join('\n').replaceAll(/^/gm, '  ');
}
