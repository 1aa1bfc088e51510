import { describe, expect, it } from '@jest/globals';
import { readDiagnosticsOf } from './read-diagnostics.js';

const of = (counters: Record<string, number | bigint | string>) =>
  readDiagnosticsOf({ state: 'running', hypervisor: 'qemu', counters: new Map(Object.entries(counters)), macs: new Map([['vnet3', '52:54:00:00:00:01']]) });

describe('readDiagnosticsOf', () => {
  it('reads what libvirt counts', () => {
    expect(of({
      'state.state': 1, 'vcpu.current': 2, 'vcpu.1.time': 7n, 'vcpu.0.time': 5n, 'vcpu.0.state': 1,
      'balloon.current': 131072n, 'balloon.maximum': 262144n, 'balloon.available': 120000n, 'balloon.unused': 100000n, 'balloon.last-update': 9n,
      'block.count': 1, 'block.0.name': 'vda', 'block.0.rd.reqs': 1n, 'block.0.rd.bytes': 2n, 'block.0.wr.reqs': 3n, 'block.0.wr.bytes': 4n,
      'net.count': 1, 'net.0.name': 'vnet3', 'net.0.rx.bytes': 1n, 'net.0.tx.drop': 2n,
    })).toEqual({
      hypervisor: 'qemu', hypervisorOs: 'linux', state: 'running', maxMemoryKib: 262144, usedMemoryKib: 20000,
      memory: { actual: 131072, available: 120000, unused: 100000, last_update: 9 },
      cpus: [{ id: 0, timeNs: 5 }, { id: 1, timeNs: 7 }],
      disks: [{ device: 'vda', readBytes: 2, readRequests: 1, writeBytes: 4, writeRequests: 3, errors: null }],
      nics: [{ device: 'vnet3', mac: '52:54:00:00:00:01', rxOctets: 1, rxErrors: null, rxDrop: null, rxPackets: null, txOctets: null, txErrors: null, txDrop: 2, txPackets: null }],
    });
  });
  it('says nothing of what is not counted', () => {
    expect(of({})).toMatchObject({ maxMemoryKib: 0, usedMemoryKib: null, memory: {}, cpus: [], disks: [], nics: [] });
  });
});
