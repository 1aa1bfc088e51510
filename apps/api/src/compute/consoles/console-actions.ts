/** The actions that gave console URLs before 2.6; later versions do not have them. */
import type { z } from 'zod';
import { onlyIn } from '../../http/only-in.js';
import { readBody } from '../../http/read-input.js';
import type { Action } from '../servers/actions/action.js';
import { openConsoleUrl } from './console-tickets.js';
import { RdpConsoleBody, SerialConsoleBody, SpiceConsoleBody, VncConsoleBody } from './consoles.schema.js';

const action = (name: string, protocol: string, schema: z.ZodType): Action => ({
  rule: 'compute:remote-consoles:create',
  async perform({ bus, call, instanceIdOf, body }) {
    onlyIn(call.version, { until: '2.5' });
    const { type } = (readBody(schema, body) as Record<string, { type: string }>)[name] as { type: string };
    return { status: 200, body: { console: { type, url: await openConsoleUrl(bus, call, instanceIdOf(), protocol, type) } } };
  },
});

export const CONSOLE_ACTIONS: Readonly<Record<string, Action>> = {
  'os-getVNCConsole': action('os-getVNCConsole', 'vnc', VncConsoleBody),
  'os-getSPICEConsole': action('os-getSPICEConsole', 'spice', SpiceConsoleBody),
  'os-getRDPConsole': action('os-getRDPConsole', 'rdp', RdpConsoleBody),
  'os-getSerialConsole': action('os-getSerialConsole', 'serial', SerialConsoleBody),
};
