/** looks.mjs: looks at this host's bus, as an agent does that has just begun and one that goes on, and prints what that costs, as JSON. Writes nothing to the bus. */
import { mkdirSync } from 'node:fs';
import { SysfsPci } from '#libs/pci';
import { look, looks } from '../../bench/looks.mjs';

const runDir = '/run/skylite-looks';
mkdirSync(runDir, { recursive: true });
const { pci, first, later } = await looks(() => new SysfsPci({ runDir }), { first: 3, later: 10 });
const { seen } = await look(pci);
process.stdout.write(`${JSON.stringify({ functions: seen.functions.size, first_look: first, later_look: later })}\n`);
