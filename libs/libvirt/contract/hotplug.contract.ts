// Devices that come to and leave a domain that runs, or is off: what the fake and real QEMU must do alike.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { isLibvirtError, type DomainEvent, type DomainRef, type Libvirt } from '../index.js';
import type { ContractTarget } from './libvirt.contract.js';

export interface HotplugTraits {
  /** A device of alias ua-leaves that goes when it is asked for, and one of alias ua-stays that this guest never lets go. */
  readonly leaves: string;
  readonly stays: string;
  readonly patienceMs: number;
}

export function describeHotplugContract(name: string, { leaves, stays, patienceMs }: HotplugTraits, makeTarget: () => Promise<ContractTarget>): void {
  describe(`hotplug contract: ${name}`, () => {
    let target: ContractTarget;
    let libvirt: Libvirt;
    let domain: DomainRef;
    const told: string[] = [];

    jest.setTimeout(10_000 + 3 * patienceMs);
    beforeAll(async () => {
      target = await makeTarget();
      libvirt = await target.connect();
      libvirt.on('event', (event: DomainEvent) => { if ('alias' in event) told.push(`${event.kind} ${event.alias}`); });
      domain = await libvirt.domainDefineXml(`<domain type='${target.domainType}'><name>plug</name><uuid>${randomUUID()}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>${target.domainBody}</domain>`);
    }, 60_000);
    afterAll(async () => {
      await libvirt?.domainUndefine(domain);
      await libvirt?.close();
      await target?.close();
    }, 60_000);

    const has = async (alias: string, inactive: boolean): Promise<boolean> => (await libvirt.domainGetXmlDesc(domain, { inactive })).includes(`<alias name='${alias}'/>`);
    const eventually = async (what: string, test: () => boolean | Promise<boolean>): Promise<void> => {
      for (const end = performance.now() + patienceMs; !(await test()); await new Promise((resolve) => setTimeout(resolve, 10))) {
        if (performance.now() > end) throw new Error(`not within ${patienceMs} ms: ${what}; told: ${told.join(', ')}`);
      }
    };
    const refused = async (call: Promise<unknown>): Promise<string> => call.then(() => 'it was not refused', (error: unknown) => {
      if (isLibvirtError(error)) return error.message;
      throw error;
    });

    it('off: the definition has it under its alias, once, and then not', async () => {
      await libvirt.domainAttachDevice(domain, leaves, { config: true });
      expect(await has('ua-leaves', true)).toBe(true);
      expect(await refused(libvirt.domainAttachDevice(domain, leaves, { config: true }))).toMatch(/non unique alias/);
      expect(await refused(libvirt.domainAttachDevice(domain, leaves, { live: true }))).toMatch(/not running/);
      await libvirt.domainDetachDevice(domain, 'ua-leaves', { config: true });
      expect(await has('ua-leaves', true)).toBe(false);
      expect(await refused(libvirt.domainDetachDevice(domain, 'ua-leaves', { config: true }))).toMatch(/no device found|not found/);
    });

    it('on: the guest has it, its definition apart; asked for, it leaves, and that is told', async () => {
      domain = await libvirt.domainCreate(domain);
      await libvirt.domainAttachDevice(domain, leaves, { live: true, config: true });
      expect([await has('ua-leaves', false), await has('ua-leaves', true)]).toEqual([true, true]);
      await eventually('told', () => told.includes('device-added ua-leaves'));
      expect(await refused(libvirt.domainAttachDevice(domain, leaves, { live: true }))).toMatch(/non unique alias/);
      await libvirt.domainDetachDevice(domain, 'ua-leaves', { config: true });
      expect([await has('ua-leaves', false), await has('ua-leaves', true)]).toEqual([true, false]);
      await libvirt.domainDetachDevice(domain, 'ua-leaves', { live: true });
      await eventually('gone', async () => !(await has('ua-leaves', false)));
      await eventually('told', () => told.includes('device-removed ua-leaves'));
      expect(await refused(libvirt.domainDetachDevice(domain, 'ua-leaves', { live: true }))).toMatch(/no device found|not found/);
    });

    it('a guest that does not answer keeps it until it ends, and its next start is without', async () => {
      await libvirt.domainAttachDevice(domain, stays, { live: true, config: true });
      await libvirt.domainDetachDevice(domain, 'ua-stays', { config: true });
      await libvirt.domainDetachDevice(domain, 'ua-stays', { live: true });
      // Asked again, it may be told to wait; nothing else comes of it.
      await refused(libvirt.domainDetachDevice(domain, 'ua-stays', { live: true }));
      expect([await has('ua-stays', false), await has('ua-stays', true)]).toEqual([true, false]);
      await libvirt.domainDestroy(domain);
      domain = await libvirt.domainCreate(domain);
      expect(await has('ua-stays', false)).toBe(false);
      await libvirt.domainDestroy(domain);
      expect(told).not.toContain('device-removed ua-stays');
    });
  });
}
