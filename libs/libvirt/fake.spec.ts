import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getMetadata, readDomainXml, setMetadata, withId } from './fake/domain-doc.js';
import { parseXml } from './fake/xml.js';
import { FakeHypervisor, FakeLibvirt, FakeLibvirtd, LibvirtConnection, LibvirtError, LibvirtTimeout, LibvirtUnavailable, type DomainEvent } from './index.js';

const UUID = '11111111-2222-4333-8444-555555555555';
const XML = (name: string, extra = ''): string => `<domain type='qemu'><name>${name}</name>${extra}<memory unit='MiB'>64</memory><vcpu>2</vcpu></domain>`;
const uuid = (): string => UUID;

async function failure(call: Promise<unknown>): Promise<unknown> {
  return call.then(() => undefined, (error: unknown) => error);
}

describe('the fake reads XML', () => {
  it('strictly', () => {
    expect(parseXml('<?xml version="1.0"?><!-- hi --><a x="1" y=\'&lt;\'><b/>text<![CDATA[<no>]]><!-- <c> --></a>\n')).toMatchObject({ name: 'a', children: [{ name: 'b' }] });
    for (const bad of ['', 'x', '<a>', '<a></b>', '<a/><b/>', '<a x=1/>', '<a x="1" x="2"/>', '<a', '<a><!-- </a>', '<1/>', '<!DOCTYPE a><a/>', '<a>'.repeat(70) + '</a>'.repeat(70)]) {
      expect(() => parseXml(bad)).toThrow(LibvirtError);
    }
    fc.assert(
      fc.property(fc.array(fc.constantFrom('<a>', '</a>', '<b', ' x="1"', '/>', '>', 'text', '<!--', '-->', '<![CDATA[', ']]>', '&amp;', "'"), { maxLength: 14 }), (parts) => {
        try {
          parseXml(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(LibvirtError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('for the few facts it acts on, and keeps the rest as given', () => {
    const given = `<domain type='qemu' id='9'>\n  <name>a &amp; b</name>\n  <uuid>${UUID.toUpperCase()}</uuid>\n  <memory unit='GiB'>2</memory>\n  <devices><serial type='pty'/><disk/></devices>\n</domain>`;
    const doc = readDomainXml(given, uuid);
    expect(doc).toMatchObject({ name: 'a & b', uuid: UUID, memoryKiB: 2 * 1024 * 1024, vcpus: 1, consoles: 1 });
    expect(doc.xml).toBe(given.replace(" id='9'", ''));
    expect(withId(doc, 3)).toBe(given.replace(" type='qemu' id='9'", " id='3' type='qemu'"));
    expect(readDomainXml(XML('x'), uuid).xml).toContain(`<uuid>${UUID}</uuid>`);
    for (const bad of ['<network/>', '<domain><memory>1</memory></domain>', XML('x').replace(/<memory.*memory>/, ''), XML('x', '<uuid>1</uuid>'), XML('x').replace('2<', 'two<')]) {
      expect(() => readDomainXml(bad, uuid)).toThrow(LibvirtError);
    }
  });

  it('with metadata put in, replaced and taken out wherever it stands', () => {
    for (const extra of ['', '<metadata/>', '<metadata></metadata>', '<metadata><o:x xmlns:o="urn:o"/></metadata>']) {
      const doc = readDomainXml(XML('x', extra), uuid);
      const first = setMetadata(doc, 'urn:s', 's', '<i a="1"><b>1</b></i>');
      expect(getMetadata(first, 'urn:s')).toBe('<i a="1"><b>1</b></i>');
      expect(first.xml).toContain('<s:b>1</s:b>'); // the whole element is in the namespace, as libvirt does it
      const second = setMetadata(first, 'urn:s', 't', '<i/>');
      expect(getMetadata(second, 'urn:s')).toBe('<i/>');
      expect(() => getMetadata(setMetadata(second, 'urn:s', 't', null), 'urn:s')).toThrow(/not found/);
      expect(second.xml.includes('urn:o')).toBe(extra.includes('urn:o'));
      expect(readDomainXml(second.xml, uuid).uuid).toBe(UUID);
    }
  });
});

describe('FakeHypervisor', () => {
  const setup = (options = {}): { host: FakeHypervisor; libvirt: FakeLibvirt; events: string[] } => {
    const host = new FakeHypervisor({ newUuid: uuid, ...options });
    const libvirt = new FakeLibvirt(host);
    const events: string[] = [];
    libvirt.on('event', (event: DomainEvent) => events.push(event.kind === 'lifecycle' ? `${event.event} ${event.detail}` : event.kind));
    libvirt.start();
    return { host, libvirt, events };
  };

  it('lets tests play the guest and the power supply', async () => {
    const { host, libvirt, events } = setup({ shutdownMs: null });
    const domain = await libvirt.domainCreate(await libvirt.domainDefineXml(XML('a')));
    await libvirt.domainShutdown(domain);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(host.domain('a')).toMatchObject({ state: 'running', starts: 1 });
    host.guestPowerOff('a');
    expect(host.domain('a')).toMatchObject({ state: 'shutoff', reason: 'shutdown', id: -1 });
    await libvirt.domainCreate(domain);
    host.guestCrash('a');
    expect(host.domain(UUID)).toMatchObject({ state: 'shutoff', reason: 'crashed' });
    await libvirt.domainCreate(domain);
    events.length = 0;
    host.powerLoss();
    expect(host.domain('a')).toMatchObject({ state: 'shutoff', starts: 3 });
    expect(events).toEqual([]);
    host.guestPowerOff('nobody');
  });

  it('runs on a test\'s own clock', async () => {
    const tasks: { ms: number; task: () => void }[] = [];
    let now = 0;
    const schedule = (ms: number, task: () => void): (() => void) => {
      const entry = { ms, task };
      tasks.push(entry);
      return () => void tasks.splice(tasks.indexOf(entry), 1);
    };
    const { host, libvirt } = setup({ shutdownMs: 60_000, schedule, now: () => now });
    const domain = await libvirt.domainCreate(await libvirt.domainDefineXml(XML('a')));
    now = 1500;
    expect((await libvirt.domainGetInfo(domain)).cpuTimeNs).toBe(1_500_000_000n);
    await libvirt.domainShutdown(domain);
    await libvirt.domainShutdown(domain);
    expect(tasks.map(({ ms }) => ms)).toEqual([60_000]);
    await libvirt.domainDestroy(domain);
    expect(tasks).toEqual([]); // a destroyed guest has no more plans
    await libvirt.domainCreate(domain);
    await libvirt.domainShutdown(domain);
    tasks[0]!.task();
    expect(host.domain('a')).toMatchObject({ state: 'shutoff', reason: 'shutdown' });
  });

  it('goes wrong to order, without a socket as with one', async () => {
    const { host, libvirt } = setup();
    const reasons: string[] = [];
    libvirt.on('down', (reason) => reasons.push(reason.message));
    host.faults.on('DOMAIN_DEFINE_XML_FLAGS', { kind: 'error', code: 1 }, { nth: 2, times: 2 });
    await libvirt.domainDefineXml(XML('a'));
    expect(await failure(libvirt.domainDefineXml(XML('a')))).toMatchObject({ codeName: 'INTERNAL_ERROR' });
    expect(await failure(libvirt.domainDefineXml(XML('a')))).toMatchObject({ codeName: 'INTERNAL_ERROR' });
    await libvirt.domainDefineXml(XML('a'));

    host.faults.on('CONNECT_GET_HOSTNAME', { kind: 'delay', ms: 30 });
    const started = performance.now();
    await libvirt.getHostname();
    expect(performance.now() - started).toBeGreaterThan(25);

    host.faults.on('DOMAIN_CREATE_XML', { kind: 'hang', when: 'after' });
    expect(await failure(libvirt.domainCreateXml(XML('a'), {}, { timeoutMs: 20 }))).toBeInstanceOf(LibvirtTimeout);
    expect(host.domain('a')?.state).toBe('running');

    host.faults.on('DOMAIN_DESTROY_FLAGS', { kind: 'drop', when: 'after' });
    const running = await libvirt.domainLookupByName('a');
    expect(await failure(libvirt.domainDestroy(running))).toMatchObject({ name: 'LibvirtUnavailable', outcome: 'unknown' });
    expect(libvirt.isUp).toBe(false);
    expect(await failure(libvirt.getHostname())).toBeInstanceOf(LibvirtUnavailable);
    expect(reasons).toEqual(['libvirt closed the connection']);
    libvirt.start();
    expect(await libvirt.domainGetState(running)).toEqual({ state: 'shutoff', reason: 'destroyed' });
    expect(host.callCount('CONNECT_GET_HOSTNAME')).toBe(1);
    host.faults.on('CONNECT_GET_URI', { kind: 'error', code: 1 });
    host.faults.clear();
    expect(await libvirt.getUri()).toBe('qemu:///system');
    await libvirt.close();
    expect(await failure(libvirt.waitUp())).toBeInstanceOf(LibvirtUnavailable);
  });

  it('describes a host of any shape', async () => {
    const { libvirt } = setup({ hostname: 'h7', cpus: 7, numaNodes: 2, memoryKiB: 1_000_000 });
    expect(await libvirt.nodeGetInfo()).toMatchObject({ cpus: 7, numaNodes: 2, memoryKiB: 1_000_000 });
    const capabilities = await libvirt.getCapabilities();
    parseXml(capabilities.trim());
    expect(capabilities.match(/<cpu id=/g)).toHaveLength(7);
    expect(capabilities.match(/<cell id=/g)).toHaveLength(2);
    const query = await libvirt.getDomainCapabilities({ machine: 'q35', virtType: 'qemu' });
    parseXml(query.trim());
    expect(query).toContain('<machine>q35</machine>');
    expect(await libvirt.baselineHypervisorCpu(['<cpu><model>Nehalem</model></cpu>'], { virtType: 'qemu' }, { expandFeatures: true })).toMatch(/<model fallback='forbid'>Nehalem<\/model>[\s\S]*<feature policy='require' name='sse2'\/>/);
  });

  it('is light: a hundred hosts over sockets in one process', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sky-lv-100-'));
    const hosts = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const host = new FakeHypervisor({ hostname: `h${i}` });
        const daemon = new FakeLibvirtd(host, { socketPath: join(folder, `${i}`) });
        await daemon.start();
        const connection = new LibvirtConnection({ socketPath: daemon.socketPath });
        await connection.waitUp(10_000);
        return { daemon, connection };
      }),
    );
    await Promise.all(
      hosts.map(async ({ connection }, i) => {
        for (let n = 0; n < 5; n++) await connection.domainCreate(await connection.domainDefineXml(XML(`d${n}`)));
        expect(await connection.getHostname()).toBe(`h${i}`);
        expect(await connection.listAllDomains({ running: true })).toHaveLength(5);
      }),
    );
    await Promise.all(hosts.map(({ connection }) => connection.close()));
    await Promise.all(hosts.map(({ daemon }) => daemon.stop()));
    rmSync(folder, { recursive: true });
  });
});

describe('devices of the host', () => {
  const AT = '0000:01:10.0';
  const HOSTDEV = `<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0' bus='0x01' slot='0x10' function='0x0'/></source></hostdev>`;
  const NIC = `<interface type='hostdev' managed='yes'><mac address='fa:16:3e:00:00:01'/><vlan><tag id='42'/></vlan><source><address type='pci' domain='0x0000' bus='0x01' slot='0x10' function='0x0'/></source></interface>`;
  const guest = (name: string, device: string): string => XML(name, `<devices>${device}</devices>`);
  const started = async (hypervisor: FakeHypervisor, xml: string): Promise<unknown> => {
    const libvirt = new FakeLibvirt(hypervisor);
    libvirt.start();
    return failure(libvirt.domainCreate(await libvirt.domainDefineXml(xml)));
  };

  it('are one domain\'s at a time, and are let go when it ends', async () => {
    const hypervisor = new FakeHypervisor();
    expect(await started(hypervisor, guest('a', HOSTDEV))).toBeUndefined();
    expect(await started(hypervisor, guest('b', NIC))).toMatchObject({ codeName: 'OPERATION_INVALID', message: `Requested operation is not valid: PCI device ${AT} is in use by driver QEMU, domain a` });
    hypervisor.guestPowerOff('a');
    expect(await started(hypervisor, guest('c', NIC))).toBeUndefined();
  });

  it('are refused in the words of whoever knows the bus; an interface\'s MAC and VLAN are set, and taken back', async () => {
    const log: unknown[] = [];
    let refusal: string | null = 'Unmanaged PCI device 0000:01:10.0 must be manually detached from the host';
    const hypervisor = new FakeHypervisor({ hostDevices: {
      refusalOfUse: (address, _domain, use) => { log.push([address, use]); return refusal; }, useBy: (_, domain) => { log.push(domain === null ? 'let go' : 'used'); },
      vfOf: () => ({ mac: '00:00:00:00:00:00', vlan: 0 }), setVf: (_, settings) => { log.push(settings); },
    } });
    expect(await started(hypervisor, guest('a', HOSTDEV))).toMatchObject({ message: refusal });
    expect(log.splice(0)).toEqual([[AT, { managed: false, asInterface: false }]]);
    refusal = null;
    expect(await started(hypervisor, guest('b', NIC))).toBeUndefined();
    expect(log.splice(0)).toEqual([[AT, { managed: true, asInterface: true }], { mac: 'fa:16:3e:00:00:01', vlan: 42 }, 'used']);
    const libvirt = new FakeLibvirt(hypervisor);
    libvirt.start();
    const domain = await libvirt.domainLookupByName('b');
    expect(await failure(libvirt.domainManagedSave(domain))).toMatchObject({ message: expect.stringContaining('VFIO migration is not supported') });
    await libvirt.domainDestroy(domain);
    expect(log.filter((each) => !Array.isArray(each))).toEqual(['let go', { mac: '00:00:00:00:00:00', vlan: 0 }]);
  });
});
