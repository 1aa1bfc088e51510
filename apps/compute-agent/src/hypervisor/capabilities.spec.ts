import { describe, expect, it } from '@jest/globals';
import { guestCpuXml, readCells, readDomainCapabilities, readFeatures } from './capabilities.js';

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
    expect(readCells(xml, { cpus: 3, memoryKiB: 1 })).toMatchObject([{ id: 0, cpus: [0, 2], memoryMib: 2000 }, { id: 1, cpus: [1], memoryMib: 2000 }]);
    expect(readCells('<capabilities/>', { cpus: 2, memoryKiB: 4096 })).toEqual([{ id: 0, cpus: [0, 1], memoryMib: 4, socket: 0, cores: [[0], [1]], pages: [], distances: [10] }]);
  });
  it('give cores, sockets, huge pages and distances', () => {
    const cpu = (id: number, socket: number, siblings: string): string => `<cpu id='${id}' socket_id='${socket}' die_id='0' core_id='0' siblings='${siblings}'/>`;
    const cell = (id: number, cpus: string): string => `<cell id='${id}'><memory unit='KiB'>8388608</memory><pages unit='KiB' size='4'>1572864</pages><pages unit='KiB' size='2048'>512</pages><pages unit='KiB' size='1048576'>1</pages>
      <distances><sibling id='0' value='${id === 0 ? 10 : 21}'/><sibling id='4' value='${id === 0 ? 21 : 10}'/></distances><cpus num='4'>${cpus}</cpus></cell>`;
    const xml = `<capabilities><host><topology><cells num='2'>${cell(0, cpu(0, 0, '0,4') + cpu(4, 0, '0,4') + cpu(1, 0, '1'))}${cell(4, cpu(2, 1, '2-3') + cpu(3, 1, '2-3'))}</cells></topology></host></capabilities>`;
    const pages = [{ kib: 2048, total: 512 }, { kib: 1_048_576, total: 1 }];
    expect(readCells(xml, { cpus: 5, memoryKiB: 1 })).toEqual([
      { id: 0, cpus: [0, 1, 4], memoryMib: 8192, socket: 0, cores: [[0, 4], [1]], pages, distances: [10, 21] },
      { id: 4, cpus: [2, 3], memoryMib: 8192, socket: 1, cores: [[2, 3]], pages, distances: [21, 10] },
    ]);
  });
  it('name the features that guests get', () => {
    expect(guestCpuXml({ arch: 'x86_64', cpuModel: 'Skylake-Client-IBRS', cpuFeatures: '+ss,-hle' })).toBe("<cpu>\n  <arch>x86_64</arch>\n  <model>Skylake-Client-IBRS</model>\n  <feature name='ss'/>\n</cpu>\n");
    expect(guestCpuXml({ arch: 'x86_64', cpuModel: 'Nehalem', cpuFeatures: '' })).not.toContain('feature');
    const answer = "<cpu mode='custom'><model>X</model><feature policy='require' name='sse2'/><feature policy='require' name='hle'/><feature policy='disable' name='rtm'/><feature policy='require' name='aes'/></cpu>";
    expect(readFeatures(answer, '+ss,-hle')).toEqual(['aes', 'sse2']);
  });
});
