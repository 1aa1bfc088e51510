import { z } from 'zod';
import { has } from '#libs/openstack';
import { versioned } from '../../http/read-input.js';

export const RemoteConsoleBody = versioned((version) => {
  const mks = has(version, 'console.mks');
  return z.strictObject({
    remote_console: z.strictObject({
      protocol: z.enum(['vnc', 'spice', 'rdp', 'serial', ...(mks ? ['mks'] : [])]),
      type: z.enum(['novnc', 'xvpvnc', 'rdp-html5', 'spice-html5', 'serial', ...(mks ? ['webmks'] : [])]),
    }),
  });
});
export const RemoteConsoleAnswer = z.strictObject({ remote_console: z.strictObject({ protocol: z.string(), type: z.string(), url: z.string() }) });

export const VncConsoleBody = z.strictObject({ 'os-getVNCConsole': z.strictObject({ type: z.enum(['novnc', 'xvpvnc']) }) });
export const SpiceConsoleBody = z.strictObject({ 'os-getSPICEConsole': z.strictObject({ type: z.enum(['spice-html5']) }) });
export const RdpConsoleBody = z.strictObject({ 'os-getRDPConsole': z.strictObject({ type: z.enum(['rdp-html5']) }) });
export const SerialConsoleBody = z.strictObject({ 'os-getSerialConsole': z.strictObject({ type: z.enum(['serial']) }) });
