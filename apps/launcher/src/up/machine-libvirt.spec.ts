import { describe, expect, it } from '@jest/globals';
import { FakeHypervisor, FakeLibvirt } from '#libs/libvirt';
import { removeDomainsOf } from './machine-libvirt.js';

const CLOUD = '186e8ffd-f0fd-495b-bbea-1c31a9fb8c6a';
const domain = (name: string, metadata = ''): string =>
  `<domain type='qemu'><name>${name}</name>${metadata && `<metadata>${metadata}</metadata>`}<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os></domain>`;
const notes = (cloud: string): string => `<skylite:instance xmlns:skylite="urn:skylite:instance:1" cloud="${cloud}" generation="1"/>`;

describe("the machine's libvirt at the end of a cloud", () => {
  it('loses that cloud\'s guests, and no other domain', async () => {
    const hypervisor = new FakeHypervisor();
    const libvirt = new FakeLibvirt(hypervisor);
    await libvirt.waitUp();
    for (const xml of [
      domain('instance-running', notes(CLOUD)), domain('instance-stopped', notes(CLOUD)), domain('instance-of-another-cloud', notes(CLOUD.replace(/a$/, 'b'))),
      domain('instance-by-name-only'), domain('somebody', '<other:note xmlns:other="urn:other" cloud="x"/>'),
    ]) await libvirt.domainDefineXml(xml);
    for (const name of ['instance-running', 'instance-of-another-cloud', 'somebody']) await libvirt.domainCreate(await libvirt.domainLookupByName(name));
    expect(await removeDomainsOf(libvirt, CLOUD)).toBe(2);
    expect((await libvirt.listAllDomains()).map(({ name }) => name).sort()).toEqual(['instance-by-name-only', 'instance-of-another-cloud', 'somebody']);
    expect((await libvirt.domainGetState(await libvirt.domainLookupByName('somebody'))).state).toBe('running');
    await libvirt.close();
  });
});
