/** The contract of libs/pci on the emulated host's kernel and libvirt: the same cases that the fake kernel keeps at every commit. */
import { join } from 'node:path';
import { ADDRESSES } from '../machine/topology.mjs';
import { placed } from '../support/inside.mjs';

const ALL_SECONDS = 1_500;
const [quiet, bound] = ADDRESSES.bridged;

export async function run({ lab, check }) {
  const contract = await placed(lab, join(import.meta.dirname, '../../../libs/pci/contract/lab-run.ts'));
  await lab.run(`modprobe e1000; [ -e /sys/bus/pci/devices/${bound}/driver ] || echo ${bound} >/sys/bus/pci/drivers/e1000/bind`);
  const words = ['--pf', ADDRESSES.ports[0], '--quiet', quiet, '--bound', bound, '--run-dir', '/run/skylite-contract', '--kernel', '/usr/lib/skylite-lab/vmlinux', '--initrd', '/usr/lib/skylite-lab/guest-initrd', '--ready', "'lab-guest: ready'", '--deadline', '6000', '--slow', lab.patience.toFixed(1)];
  let rest = '';
  const waiting = [];
  const take = (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines.filter((each) => each.startsWith('{'))) {
      const { name, outcome, ms, error } = JSON.parse(line);
      waiting.push(check(name, () => {
        // Nothing is passed over in silence: the lab has all that a case may need.
        if (outcome !== 'passed') throw new Error(error ?? outcome);
        return `${(ms / 1000).toFixed(1)} s`;
      }));
    }
  };
  const { code, output } = await lab.order(`${contract} ${words.join(' ')}`, { seconds: ALL_SECONDS, onOutput: take });
  await Promise.all(waiting);
  await check('the contract came to its end', () => { if (![0, 1].includes(code) || waiting.length === 0) throw new Error(`exit code ${code}: ${output.slice(-600)}`); });
}
