import { describe, expect, it } from '@jest/globals';
import { readCells, readDomainCapabilities } from './capabilities.js';

const DOMAIN = `<domainCapabilities>
  <path>/usr/bin/qemu-system-x86_64</path><domain>kvm</domain><machine>pc-i440fx-7.2</machine><arch>x86_64</arch>
  <cpu>
    <mode name='host-passthrough' supported='yes'/>
    <mode name='host-model' supported='yes'>
      <model fallback='forbid'>Skylake-Client-IBRS</model><vendor>Intel</vendor>
      <feature policy='require' name='ss'/><feature policy='disable' name='hle'/>
    </mode>
    <mode name='custom' supported='yes'/>
  </cpu>
</domainCapabilities>`;

describe('capabilities', () => {
  it('name the machine by its version and the CPU by its model', () => {
    expect(readDomainCapabilities('kvm')(DOMAIN)).toEqual({ emulator: '/usr/bin/qemu-system-x86_64', machine: 'pc-i440fx-7.2', arch: 'x86_64', cpuModel: 'Skylake-Client-IBRS', cpuFeatures: '+ss,-hle' });
    expect(readDomainCapabilities('qemu')(DOMAIN)).toMatchObject({ cpuModel: 'Nehalem', cpuFeatures: '' });
    expect(readDomainCapabilities('kvm')(DOMAIN.replace("name='host-model' supported='yes'", "name='host-model' supported='no'"))).toMatchObject({ cpuModel: 'qemu64', cpuFeatures: '' });
    expect(() => readDomainCapabilities('kvm')('<domainCapabilities/>')).toThrow(/do not name the path/);
  });
  it('give NUMA cells, or one of everything', () => {
    const cell = (id: number, cpus: string): string => `<cell id='${id}'><memory unit='KiB'>2048000</memory><cpus num='1'>${cpus}</cpus></cell>`;
    const xml = `<capabilities><host><topology><cells num='2'>${cell(0, "<cpu id='0'/><cpu id='2'/>")}${cell(1, "<cpu id='1'/>")}</cells></topology></host></capabilities>`;
    expect(readCells(xml, { cpus: 3, memoryKiB: 1 })).toEqual([{ id: 0, cpus: [0, 2], memoryMib: 2000 }, { id: 1, cpus: [1], memoryMib: 2000 }]);
    expect(readCells('<capabilities/>', { cpus: 2, memoryKiB: 4096 })).toEqual([{ id: 0, cpus: [0, 1], memoryMib: 4 }]);
  });
});
