import { cpus, loadavg, totalmem } from 'node:os';
import { compute, onFleet } from './compute.mjs';
import { computeLists } from './compute-lists.mjs';
import { devices } from './devices.mjs';
import { devicesLab } from './devices-lab.mjs';
import { fleet } from './fleet.mjs';
import { identity } from './identity.mjs';
import { oneMachine } from './one-machine.mjs';
import { scheduler } from './scheduler.mjs';

const PARTS = { 'one-machine': oneMachine, fleet, compute, 'compute-100': () => onFleet(100), 'compute-1000': () => onFleet(1_000), 'compute-lists': computeLists, scheduler, devices, 'devices-lab': devicesLab, identity };
const wanted = process.argv.slice(2);
const parts = wanted.length > 0 ? wanted : Object.keys(PARTS).filter((name) => !/^compute-\d+$|-lab$/.test(name));
const document = { started: new Date().toISOString(), cpus: cpus().length, memory_mib: Math.round(totalmem() / 2 ** 20), load_before: loadavg()[0], parts: {}, errors: {} };
for (const name of parts) {
  if (!PARTS[name]) {
    process.stderr.write(`bench: there is no part ${name}; parts: ${Object.keys(PARTS).join(', ')}\n`);
    process.exit(2);
  }
  try {
    document.parts[name] = await PARTS[name]();
  } catch (error) {
    document.errors[name] = error instanceof Error ? error.message : String(error);
  }
}
document.load_after = loadavg()[0];
process.stdout.write(`${JSON.stringify(document, null, 1)}\n`);
process.exit(Object.keys(document.errors).length > 0 ? 1 : 0);
