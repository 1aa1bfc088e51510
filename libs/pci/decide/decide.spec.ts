import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parsePciAddress, pciAddressOf, pciParts, tryPciAddress, vfAddress } from '../address.js';
import { ERRNO_TABLE, explainErrno } from '../errno.js';
import { mountedBlocks, routedInterfaces, swapBlocks } from './host-needs.js';
import { carrierOf, permanentMacs, setVfArguments, vfsOf } from './ip-link.js';
import { deviceSerialNumber, vpdSerial } from './serial.js';
import { topologyOf } from './topology.js';

describe('addresses', () => {
  it('are one, however they are written', () => {
    for (const text of ['0000:3b:00.1', '3b:00.1', '0000:3B:00.1', '00000000:3b:00.1', ' 0000:3b:0.1\n']) expect(parsePciAddress(text)).toBe('0000:3b:00.1');
    expect(parsePciAddress('10000:01:00.0')).toBe('10000:01:00.0');
    for (const text of ['', '3b:00', '0000:3b:20.0', '0000:3b:00.8', '0000:3b:00.1x', 'g000:3b:00.1']) expect(tryPciAddress(text)).toBeNull();
    expect(() => parsePciAddress('eth0')).toThrow(/is no PCI address/);
  });

  it('come apart and together', () => {
    fc.assert(fc.property(fc.record({ domain: fc.nat(0xfffff), bus: fc.nat(255), slot: fc.nat(31), fn: fc.nat(7) }), (parts) => {
      const address = pciAddressOf(parts);
      expect(pciParts(address)).toEqual(parts);
      expect(parsePciAddress(address)).toBe(address);
    }));
  });

  it('of VFs follow offset and stride, over buses', () => {
    expect(vfAddress(parsePciAddress('0000:01:00.0'), 128, 2, 3)).toBe('0000:01:10.6');
    expect(vfAddress(parsePciAddress('0000:3b:00.0'), 16, 1, 255)).toBe('0000:3c:01.7');
  });
});

describe('errnos', () => {
  it('have one meaning for each write, with a cure', () => {
    expect(new Set(ERRNO_TABLE.map((row) => `${row.op} ${row.errno}`)).size).toBe(ERRNO_TABLE.length);
    for (const row of ERRNO_TABLE) expect([row.sentence.endsWith('.'), row.cure.endsWith('.')]).toEqual([true, true]);
    expect(explainErrno('numvfs', 'EBUSY').code).toBe('busy');
    expect(explainErrno('unbind', 'ENODEV').code).toBe('not-bound');
    expect(explainErrno('reset', 'EROFS').code).toBe('forbidden');
    expect(explainErrno('numvfs', 'E2BIG').code).toBe('other');
    expect(explainErrno('numvfs', null).code).toBe('other');
  });
});

describe('what ip says and hears', () => {
  it('is read, with and without a VLAN', () => {
    const json = JSON.stringify([{ ifname: 'enp1s0', address: '52:54:00:aa:00:01', vfinfo_list: [
      { vf: 1, address: 'FA:16:3E:00:00:01', vlan_list: [{ vlan: 42, qos: 3 }], rate: { max_tx: 100, min_tx: 0 }, spoofchk: false, trust: true },
      { vf: 0, address: 'fa:16:3e:00:00:00', vlan_list: [{}], spoofchk: true, trust: false, tx_rate: 7 }, { link_type: 'ether' },
    ] }]);
    expect(vfsOf(json, 'enp1s0')).toEqual([
      { index: 0, mac: 'fa:16:3e:00:00:00', vlan: 0, qos: 0, spoofCheck: true, trust: false, minTxMbps: 0, maxTxMbps: 7 },
      { index: 1, mac: 'fa:16:3e:00:00:01', vlan: 42, qos: 3, spoofCheck: false, trust: true, minTxMbps: 0, maxTxMbps: 100 },
    ]);
    expect(vfsOf(json, 'enp2s0')).toBeNull();
    expect(vfsOf('{', 'enp1s0')).toBeNull();
    expect(permanentMacs(JSON.stringify([{ ifname: 'a', address: 'AA:00:00:00:00:01', permaddr: 'BB:00:00:00:00:01' }])).get('a')).toBe('bb:00:00:00:00:01');
    expect([...permanentMacs(JSON.stringify([{ ifname: 'ib0', address: '80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:0a:0b:0c' }, { ifname: 'can0', address: '' }]))]).toEqual([['ib0', null], ['can0', null]]);
  });

  it('is whether the cable is in, at this moment', () => {
    const json = (...flags: string[]): string => JSON.stringify([{ ifname: 'e', flags: ['BROADCAST', ...flags], operstate: 'UP' }]);
    expect([carrierOf(json('UP', 'LOWER_UP'), 'e'), carrierOf(json('UP'), 'e'), carrierOf(json('NO-CARRIER', 'UP'), 'e'), carrierOf(json('UP', 'LOWER_UP'), 'f'), carrierOf('', 'e'), carrierOf('[{"ifname":"e"}]', 'e')])
      .toEqual([true, false, false, null, null, null]);
  });

  it('is told with VLAN and priority together', () => {
    expect(setVfArguments('e', 2, { mac: 'm', trust: true, spoofCheck: false, maxTxMbps: 5 }).join(' ')).toBe('link set dev e vf 2 mac m spoofchk off trust on max_tx_rate 5');
    expect(setVfArguments('e', 2, { vlan: 42, qos: 1 }).join(' ')).toBe('link set dev e vf 2 vlan 42 qos 1');
    expect(setVfArguments('e', 2, { vlan: 0 }).join(' ')).toBe('link set dev e vf 2 vlan 0 qos 0');
  });
});

describe('serial numbers', () => {
  it('are found in the list of extended capabilities', () => {
    const config = Buffer.alloc(4_096);
    config.writeUInt32LE(0x140_1_0001, 0x100);
    config.writeUInt32LE(0x000_1_0003, 0x140);
    config.writeUInt32LE(0xffaa0001, 0x144);
    config.writeUInt32LE(0x525400ff, 0x148);
    expect(deviceSerialNumber(config)).toBe('52-54-00-ff-ff-aa-00-01');
    expect(deviceSerialNumber(config.subarray(0, 64))).toBeNull();
    expect(deviceSerialNumber(Buffer.alloc(4_096, 0xff))).toBeNull();
  });

  it('are found in vital product data', () => {
    const fields = Buffer.concat([Buffer.from('PN\x04ABCD', 'latin1'), Buffer.from('SN\x08S/N 4711', 'latin1')]);
    const name = Buffer.from('Card');
    const vpd = Buffer.concat([Buffer.from([0x82, name.length, 0]), name, Buffer.from([0x90, fields.length, 0]), fields, Buffer.from([0x78])]);
    expect(vpdSerial(vpd)).toBe('S/N 4711');
    expect(vpdSerial(Buffer.from([0x78]))).toBeNull();
  });

  it('never run away on rubbish', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2_048 }), (bytes) => {
      deviceSerialNumber(bytes);
      vpdSerial(bytes);
    }));
  });
});

describe('what the host stands on', () => {
  it('is every mounted disk, by number or by name', () => {
    expect(mountedBlocks([
      '22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw', '23 22 0:20 / /proc rw - proc proc rw', '24 22 0:30 / /srv/a\\040b rw - btrfs /dev/sdb rw', '25 22 0:31 / /mnt rw - nfs4 nas:/x rw', '26 22 0:40 / /run/c rw - overlay overlay rw',
    ].join('\n'))).toEqual([
      { numbers: '254:1', source: '/dev/vda1', why: 'boot-disk: / is on it', orAll: 'boot-disk: which disk / is on cannot be told (/dev/vda1)' }, { numbers: null, source: '/dev/sdb', why: 'mounted: /srv/a b is on it' },
    ]);
    expect(swapBlocks('Filename Type Size Used Priority\n/dev/dm-1 partition 8 0 -2\n/swapfile file 8 0 -3\n')).toEqual([{ numbers: null, source: '/dev/dm-1', why: 'swap' }]);
  });

  it('is the interface of the default route, of either family, whole or in halves', () => {
    const four = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nbr0\t00000000\t01\t3\t0\t0\t0\t00000000\neth1\t0000000A\t0\t1\t0\t0\t0\t000000FF\nwg0\t00000000\t0\t1\t0\t0\t0\t00000080\n';
    const zero = '0'.repeat(32);
    const six = `${zero} 00 ${zero} 00 fe80 400 1 0 00000003 eth2\n${zero} 00 ${zero} 00 0 ffffffff 1 0 00200200 lo\nfe80${'0'.repeat(28)} 40 ${zero} 00 0 100 1 0 00000001 eth1\n${zero} 00 ${zero} 00 0 ffff 1 0 00000200 eth3\n`;
    expect(routedInterfaces(four, six)).toEqual({ byDefault: ['br0', 'eth2', 'wg0'], reaching: ['br0', 'eth1', 'eth2', 'wg0'], any: ['br0', 'eth1', 'eth2', 'wg0'] });
  });
});

it('the host reaches others by whatever has a route that is not its own, link-local or multicast', () => {
  const zero = '0'.repeat(32);
  const four = (name: string, destination: string, mask: string, flags = '0001'): string => `${name}\t${destination}\t00000000\t${flags}\t0\t0\t0\t${mask}\t0\t0\t0`;
  const six = (name: string, destination: string, length: string, flags = '00000001'): string => `${destination.padEnd(32, '0')} ${length} ${zero} 00 ${zero} 00000100 00000001 00000000 ${flags} ${name}`;
  expect(routedInterfaces(['Iface', four('own', '0000FEA9', '0000FFFF'), four('own', 'FEA9FEA9', 'FFFFFFFF'), four('own', '000000E0', '000000F0'), four('*', '0000000A', '000000FF', '0200'), four('no', '0001A8C0', '00FFFFFF', '0201'), four('net', '0001A8C0', '00FFFFFF'), four('host', '0100FE0A', 'FFFFFFFF', '0005')].join('\n'), [
    six('own6', 'fe80', '40'), six('own6', 'ff00', '08'), six('own6', 'fd000000', '80', '00100001'), six('own6', 'fd00000000000000000000000000000a', '80', '80200001'), six('net6', 'fd00', '40'),
  ].join('\n'))).toEqual({ byDefault: [], reaching: ['host', 'net', 'net6'], any: ['host', 'net', 'net6', 'no', 'own', 'own6'] });
});

it('an empty bus has a name of its own', () => {
  expect(topologyOf(new Map())).toMatch(/^0-/);
});
