import { describe, expect, it } from '@jest/globals';
import { parsePciAddress } from '../address.js';
import { FakePci } from '../fake/fake-pci.js';
import { FakeKernel } from '../fake/kernel.js';
import type { PciAddress } from '../api.js';
import { runPciContract, type PciContractHost } from './host.js';
import { PCI_CASES } from './pci.contract.js';

function fakeHost(): PciContractHost {
  const port = new FakeKernel();
  let guests = 0;
  return {
    has: new Set(['deaf-guests', 'guests', 'shared-group', 'pci-pf-stub']),
    port, pci: new FakePci(port), again: () => ({ port, pci: new FakePci(port) }),
    pf: parsePciAddress('0000:01:00.0'), shared: { quiet: parsePciAddress('0000:05:01.0'), bound: parsePciAddress('0000:05:02.0'), driver: 'e1000' },
    unresettable: parsePciAddress('0000:05:01.0'), patienceMs: 1_000,
    giveToGuest: async (address: PciAddress, options) => {
      await Promise.resolve();
      guests += 1;
      port.useBy(address, `guest-${guests}`, options);
    },
    endGuest: async (address: PciAddress) => {
      await Promise.resolve();
      // Its VF may have been taken from it meanwhile.
      if (port.state.at(address) !== null) port.useBy(address, null);
    },
  };
}

describe('the kernel\'s contract, kept by the fake', () => {
  it.each(PCI_CASES.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    expect(await runPciContract(fakeHost(), [one])).toMatchObject([{ outcome: 'passed', error: null }]);
  });
});
