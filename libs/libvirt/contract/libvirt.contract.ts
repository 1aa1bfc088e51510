// What every libvirt must do, as tests: run against the fake, libvirt's own test driver and real QEMU. It says only what
// all three agree on; where drivers truly differ, the target's traits say which way.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { DomainEvent, DomainRef, Libvirt } from '../index.js';
import { isLibvirtError, LibvirtArgumentError, LibvirtTimeout, type LibvirtErrorName } from '../index.js';

export interface ContractTarget {
  /** The `type` attribute of its domains. */
  readonly domainType: string;
  /** What stands inside the domain besides name, uuid, metadata, memory and vcpu. */
  readonly domainBody: string;
  /** A new connection to one and the same daemon. */
  connect(): Promise<Libvirt>;
  /** Ends the daemon. */
  close(): Promise<void>;
}

export interface ContractTraits {
  /** The guest powers off when asked to; else it ignores the request. */
  readonly obeysShutdown: boolean;
  /** Text a guest's console prints at boot; null: the driver has no consoles. */
  readonly consoleText: RegExp | null;
  /** Input is echoed by the guest's console. */
  readonly consoleEchoes?: boolean;
  /** What a call is refused with that needs the domain in another state (running, stopped). */
  readonly wrongState: readonly LibvirtErrorName[];
  readonly startsPaused: boolean;
  /** The driver tells about a reset. */
  readonly rebootEvents: boolean;
  /** Statistics beyond the state. */
  readonly fullStats: boolean;
  /** ms an event or state change may take. */
  readonly patienceMs: number;
}

const URI = 'urn:skylite:contract';

export function describeLibvirtContract(name: string, traits: ContractTraits, makeTarget: () => Promise<ContractTarget>): void {
  describe(`libvirt contract: ${name}`, () => {
    let target: ContractTarget;
    let libvirt: Libvirt;
    let events: DomainEvent[];
    const made: string[] = [];

    jest.setTimeout(10_000 + 3 * traits.patienceMs);

    beforeAll(async () => {
      target = await makeTarget();
      libvirt = await target.connect();
      libvirt.on('event', (event) => events.push(event));
    }, 60_000);
    afterAll(async () => {
      await libvirt?.close();
      await target?.close();
    }, 60_000);
    beforeEach(() => {
      events = [];
    });
    afterEach(async () => {
      for (const uuid of made.splice(0)) {
        const found = (await libvirt.listAllDomains()).find((domain) => domain.uuid === uuid);
        if (!found) continue;
        if (found.id !== -1) await libvirt.domainDestroy(found);
        await libvirt.domainUndefine(found).catch((error) => {
          if (!isLibvirtError(error, 'NO_DOMAIN')) throw error; // it was transient
        });
      }
    });

    const xmlOf = (name_: string, uuid: string, extra = '', memoryMiB = 64): string =>
      `<domain type='${target.domainType}'><name>${name_}</name><uuid>${uuid}</uuid>${extra}<memory unit='MiB'>${memoryMiB}</memory><vcpu>1</vcpu>${target.domainBody}</domain>`;
    const fresh = (): { name: string; uuid: string } => {
      const uuid = randomUUID();
      made.push(uuid);
      return { name: `contract-${uuid.slice(0, 8)}`, uuid };
    };
    const define = (extra = ''): Promise<DomainRef> => {
      const { name: name_, uuid } = fresh();
      return libvirt.domainDefineXml(xmlOf(name_, uuid, extra));
    };
    const eventually = async (what: string, test: () => boolean | Promise<boolean>): Promise<void> => {
      for (const end = performance.now() + traits.patienceMs; !(await test()); await new Promise((resolve) => setTimeout(resolve, 10))) {
        if (performance.now() > end) throw new Error(`not within ${traits.patienceMs} ms: ${what}; events: ${JSON.stringify(events)}`);
      }
    };
    const lifecycle = (uuid: string): string[] => events.flatMap((event) => (event.domain.uuid === uuid && event.kind === 'lifecycle' ? [`${event.event} ${event.detail}`] : []));
    const refusal = async (call: Promise<unknown>): Promise<string> => {
      try {
        await call;
      } catch (error) {
        if (isLibvirtError(error)) {
          expect(error.message).not.toBe('');
          return error.codeName;
        }
        throw error;
      }
      throw new Error('it was not refused');
    };

    it('tells about itself and the host', async () => {
      expect((await libvirt.getLibVersion()).major).toBeGreaterThanOrEqual(7);
      expect((await libvirt.getVersion()).text).toMatch(/^\d+\.\d+\.\d+$/);
      expect(await libvirt.getHostname()).not.toBe('');
      expect(await libvirt.getUri()).toMatch(/^(test|qemu):\/\/\//);
      const node = await libvirt.nodeGetInfo();
      expect(node.model).toMatch(/^\w+$/);
      expect(node.cpus).toBeGreaterThan(0);
      expect(node.memoryKiB).toBeGreaterThan(100_000);
      expect(await libvirt.getCapabilities()).toMatch(/^<capabilities>[^]*<\/capabilities>\s*$/);
    });

    it('defines a domain, finds it every way, and forgets it', async () => {
      const domain = await define();
      expect(domain.id).toBe(-1);
      expect(await libvirt.domainLookupByUuid(domain.uuid)).toEqual(domain);
      expect(await libvirt.domainLookupByUuid(domain.uuid.toUpperCase())).toEqual(domain);
      expect(await libvirt.domainLookupByName(domain.name)).toEqual(domain);
      expect(await libvirt.listAllDomains({ inactive: true })).toContainEqual(domain);
      expect(await libvirt.listAllDomains({ active: true })).not.toContainEqual(domain);
      expect((await libvirt.domainGetState(domain)).state).toBe('shutoff');
      const xml = await libvirt.domainGetXmlDesc(domain);
      expect(xml).toContain(`<name>${domain.name}</name>`);
      expect(xml).toContain(`<uuid>${domain.uuid}</uuid>`);
      expect(xml).not.toMatch(/<domain[^>]*\sid=/);
      expect(await libvirt.domainGetInfo(domain)).toMatchObject({ state: 'shutoff', maxMemoryKiB: 65536, vcpus: 1 });

      await libvirt.domainUndefine(domain);
      expect(await refusal(libvirt.domainLookupByUuid(domain.uuid))).toBe('NO_DOMAIN');
      expect(await libvirt.listAllDomains()).not.toContainEqual(domain);
      await eventually('the events', () => lifecycle(domain.uuid).length >= 2);
      expect(lifecycle(domain.uuid)).toEqual(['defined added', 'undefined removed']);
    });

    it('starts and destroys a defined domain, with events', async () => {
      const domain = await define();
      const running = await libvirt.domainCreate(domain);
      expect(running).toMatchObject({ name: domain.name, uuid: domain.uuid });
      expect(running.id).toBeGreaterThan(0);
      expect(await libvirt.domainGetState(domain)).toEqual({ state: 'running', reason: 'booted' });
      expect(await libvirt.domainGetXmlDesc(domain)).toMatch(new RegExp(`<domain[^>]*\\sid='${running.id}'`));
      expect(await libvirt.domainGetXmlDesc(domain, { inactive: true })).not.toMatch(/<domain[^>]*\sid=/);
      expect((await libvirt.listAllDomains({ active: true, running: true })).map((d) => d.uuid)).toContain(domain.uuid);
      expect(traits.wrongState).toContain(await refusal(libvirt.domainCreate(domain)));

      await libvirt.domainDestroy(running);
      expect(await libvirt.domainGetState(domain)).toEqual({ state: 'shutoff', reason: 'destroyed' });
      expect((await libvirt.domainLookupByUuid(domain.uuid)).id).toBe(-1);
      expect(await refusal(libvirt.domainDestroy(domain))).toBe('OPERATION_INVALID');
      await eventually('stopped', () => lifecycle(domain.uuid).includes('stopped destroyed'));
      // QEMU also tells when its CPUs first run, and, if it gets to it, that the host ended it.
      expect(lifecycle(domain.uuid).filter((event) => event !== 'resumed unpaused' && event !== 'shutdown host')).toEqual(['defined added', 'started booted', 'stopped destroyed']);
    });

    it('runs a transient domain, which vanishes when it stops', async () => {
      const { name: name_, uuid } = fresh();
      const domain = await libvirt.domainCreateXml(xmlOf(name_, uuid));
      expect(domain.id).toBeGreaterThan(0);
      expect(await libvirt.listAllDomains({ transient: true })).toContainEqual(domain);
      expect(await refusal(libvirt.domainCreateXml(xmlOf(name_, uuid)))).toBe('OPERATION_INVALID');
      await libvirt.domainDestroy(domain);
      expect(await refusal(libvirt.domainGetState(domain))).toBe('NO_DOMAIN');
    });

    it('lets a running domain lose its definition without stopping it', async () => {
      const domain = await libvirt.domainCreate(await define());
      await libvirt.domainUndefine(domain);
      expect((await libvirt.domainGetState(domain)).state).toBe('running');
      expect((await libvirt.listAllDomains({ transient: true })).map((d) => d.uuid)).toContain(domain.uuid);
      await libvirt.domainDestroy(domain);
      expect(await refusal(libvirt.domainLookupByUuid(domain.uuid))).toBe('NO_DOMAIN');
    });

    it('redefines a running domain for its next start only', async () => {
      const domain = await libvirt.domainCreate(await define());
      await libvirt.domainDefineXml(xmlOf(domain.name, domain.uuid, '', 96));
      expect(await libvirt.domainGetXmlDesc(domain)).toMatch(/<memory[^>]*>(65536|64)</);
      expect(await libvirt.domainGetXmlDesc(domain, { inactive: true })).toMatch(/<memory[^>]*>(98304|96)</);
      await eventually('updated', () => lifecycle(domain.uuid).includes('defined updated'));
      await libvirt.domainDestroy(domain);
      expect((await libvirt.domainGetInfo(domain)).maxMemoryKiB).toBe(98304);
    });

    it('refuses with a name for the reason', async () => {
      const domain = await define();
      expect(await refusal(libvirt.domainLookupByUuid(randomUUID()))).toBe('NO_DOMAIN');
      expect(await refusal(libvirt.domainLookupByName('nobody'))).toBe('NO_DOMAIN');
      expect(await refusal(libvirt.domainDefineXml('<domain'))).toBe('XML_DETAIL');
      expect(await refusal(libvirt.domainDefineXml('<network><name>x</name></network>'))).toBe('XML_ERROR');
      expect(await refusal(libvirt.domainDefineXml(xmlOf(domain.name, randomUUID())))).toBe('OPERATION_FAILED'); // the name is taken
      expect(await refusal(libvirt.domainDefineXml(xmlOf(`${domain.name}x`, domain.uuid)))).toBe('OPERATION_FAILED'); // the uuid is
      for (const call of ['domainSuspend', 'domainResume', 'domainReset', 'domainShutdown', 'domainReboot'] as const) {
        expect(traits.wrongState).toContain(await refusal(libvirt[call](domain)));
      }
      expect(libvirt.isUp).toBe(true);
    });

    it('refuses before sending what cannot be sent', async () => {
      await expect(libvirt.domainLookupByUuid('not-a-uuid')).rejects.toThrow(LibvirtArgumentError);
      await expect(libvirt.domainLookupByName('a\0b')).rejects.toThrow(LibvirtArgumentError);
      await expect(libvirt.domainDefineXml('x'.repeat(4 * 1024 * 1024 + 1))).rejects.toThrow(LibvirtArgumentError);
      expect(libvirt.isUp).toBe(true);
    });

    it('starts paused where it can, resumes, suspends', async () => {
      const defined = await define();
      if (!traits.startsPaused) expect(await refusal(libvirt.domainCreate(defined, { paused: true }))).toBe('INVALID_ARG');
      const domain = await libvirt.domainCreate(defined, { paused: traits.startsPaused });
      if (!traits.startsPaused) await libvirt.domainSuspend(domain);
      expect((await libvirt.domainGetState(domain)).state).toBe('paused');
      await libvirt.domainResume(domain);
      expect((await libvirt.domainGetState(domain)).state).toBe('running');
      await libvirt.domainSuspend(domain);
      expect(await libvirt.domainGetState(domain)).toEqual({ state: 'paused', reason: 'user' });
      expect((await libvirt.listAllDomains({ paused: true })).map((d) => d.uuid)).toContain(domain.uuid);
      await libvirt.domainResume(domain);
      await eventually('the events', () => lifecycle(domain.uuid).filter((event) => event === 'resumed unpaused').length >= 2 && lifecycle(domain.uuid).includes('suspended paused'));
    });

    it(traits.obeysShutdown ? 'shuts down when the guest obeys' : 'goes on when the guest does not obey a shutdown', async () => {
      const domain = await libvirt.domainCreate(await define());
      await libvirt.domainShutdown(domain);
      if (traits.obeysShutdown) {
        await eventually('stopped', () => lifecycle(domain.uuid).includes('stopped shutdown'));
        expect(await libvirt.domainGetState(domain)).toEqual({ state: 'shutoff', reason: 'shutdown' });
      } else {
        await new Promise((resolve) => setTimeout(resolve, 300));
        expect((await libvirt.domainGetState(domain)).state).toBe('running');
      }
    });

    it('keeps memory aside, goes on from it, and throws it away when told to', async () => {
      const domain = await libvirt.domainCreate(await define());
      const saved = async (): Promise<boolean> => (await libvirt.listAllDomains({ managedsave: true })).some(({ uuid }) => uuid === domain.uuid);
      await libvirt.domainManagedSave(domain, { running: true });
      expect(await libvirt.domainGetState(domain)).toMatchObject({ state: 'shutoff' });
      expect(await saved()).toBe(true);
      expect(await refusal(libvirt.domainUndefine(domain))).toBe('OPERATION_INVALID');
      const again = await libvirt.domainCreate(domain);
      await eventually('restored', async () => (await libvirt.domainGetState(again)).state === 'running');
      expect(await saved()).toBe(false);
      await libvirt.domainManagedSave(again, { running: true });
      await libvirt.domainManagedSaveRemove(domain);
      expect(await saved()).toBe(false);
      expect(await libvirt.domainGetState(await libvirt.domainCreate(domain))).toMatchObject({ state: 'running', reason: 'booted' });
    });

    it('resets and reboots without stopping', async () => {
      const domain = await libvirt.domainCreate(await define());
      await libvirt.domainReset(domain);
      if (traits.rebootEvents) await eventually('a reboot event', () => events.some((event) => event.kind === 'reboot' && event.domain.uuid === domain.uuid));
      await libvirt.domainReboot(domain);
      expect((await libvirt.domainGetState(domain)).state).toBe('running');
    });

    it('keeps metadata in the definition and in the running domain', async () => {
      const domain = await define(`<metadata><a:instance xmlns:a="${URI}"><generation>1</generation></a:instance><b:other xmlns:b="urn:other"/></metadata>`);
      expect(await libvirt.domainGetMetadata(domain, URI)).toMatch(/^<instance>\s*<generation>1<\/generation>\s*<\/instance>$/);
      const element = { uri: URI, key: 'sky', xml: '<instance epoch="2"><generation>2</generation></instance>' };
      await libvirt.domainSetMetadata(domain, element);
      expect(await libvirt.domainGetMetadata(domain, URI)).toMatch(/^<instance epoch=["']2["']>\s*<generation>2<\/generation>\s*<\/instance>$/);
      const xml = await libvirt.domainGetXmlDesc(domain);
      expect(xml).toContain('sky:instance');
      expect(xml).toContain(URI);
      expect(xml).toContain('urn:other');
      expect(await refusal(libvirt.domainGetMetadata(domain, 'urn:absent'))).toBe('NO_DOMAIN_METADATA');

      const running = await libvirt.domainCreate(domain);
      await libvirt.domainSetMetadata(running, { ...element, xml: '<instance epoch="3"/>' }, { live: true, config: true });
      expect(await libvirt.domainGetMetadata(running, URI, { live: true })).toMatch(/epoch=["']3["']/);
      await libvirt.domainDestroy(running);
      expect(await libvirt.domainGetMetadata(domain, URI)).toMatch(/epoch=["']3["']/);
      await libvirt.domainSetMetadata(domain, { ...element, xml: null });
      expect(await refusal(libvirt.domainGetMetadata(domain, URI))).toBe('NO_DOMAIN_METADATA');
      expect(await refusal(libvirt.domainSetMetadata(domain, element, { live: true }))).toBe('OPERATION_INVALID');
    });

    it('gives statistics as typed values', async () => {
      const domain = await libvirt.domainCreate(await define());
      const all = await libvirt.getAllDomainStats({ groups: traits.fullStats ? { state: true, cpuTotal: true, balloon: true, vcpu: true } : { state: true } });
      const mine = all.find((each) => each.domain.uuid === domain.uuid);
      expect(mine?.domain).toEqual(domain);
      expect(mine?.stats.get('state.state')).toBe(1);
      if (traits.fullStats) {
        expect(typeof mine?.stats.get('cpu.time')).toBe('bigint');
        expect(mine?.stats.get('balloon.maximum')).toBe(65536n);
        expect(mine?.stats.get('vcpu.current')).toBe(1);
      }
      const chosen = await libvirt.getAllDomainStats({ groups: { state: true }, domains: [domain] });
      expect(chosen.map((each) => each.domain.uuid)).toEqual([domain.uuid]);
      expect((await libvirt.getAllDomainStats({ filter: { inactive: true } })).map((each) => each.domain.uuid)).not.toContain(domain.uuid);
    });

    it('shows one connection what another does', async () => {
      const other = await target.connect();
      try {
        const { name: name_, uuid } = fresh();
        const domain = await other.domainDefineXml(xmlOf(name_, uuid));
        expect(await libvirt.domainLookupByUuid(uuid)).toEqual(domain);
        await eventually('defined', () => lifecycle(uuid).includes('defined added'));
      } finally {
        await other.close();
      }
    });

    it('answers many calls at once, each with its own answer', async () => {
      const domains = await Promise.all(Array.from({ length: 8 }, () => define()));
      const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => libvirt.domainLookupByUuid(domains[i % 8]!.uuid)));
      answers.forEach((answer, i) => expect(answer).toEqual(domains[i % 8]));
    });

    it('honours deadlines and signals', async () => {
      await expect(libvirt.getHostname({ signal: AbortSignal.abort(new Error('changed my mind')) })).rejects.toThrow('changed my mind');
      const domain = await define();
      // A deadline in the past of any real answer; whichever comes first, the call settles.
      await libvirt.domainGetState(domain, { timeoutMs: 1 }).catch((error) => expect(error).toBeInstanceOf(LibvirtTimeout));
      expect((await libvirt.domainGetState(domain)).state).toBe('shutoff');
    });

    const { consoleText } = traits;
    if (consoleText === null) {
      it('says that it has no consoles', async () => {
        const domain = await libvirt.domainCreate(await define());
        expect(await refusal(libvirt.openConsole(domain))).toBe('NO_SUPPORT');
      });
      return;
    }

    const readUntil = async (stream: Awaited<ReturnType<Libvirt['openConsole']>>, pattern: RegExp): Promise<string> => {
      let text = '';
      for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
        text += String(chunk);
        if (pattern.test(text)) return text;
      }
      throw new Error(`the console ended after: ${text}`);
    };

    it('streams a console both ways, to one reader at a time', async () => {
      const domain = await libvirt.domainCreate(await define(), { paused: true });
      const console = await libvirt.openConsole(domain);
      const second = await refusal(libvirt.openConsole(domain));
      expect(second).toBe('OPERATION_FAILED');
      await libvirt.domainResume(domain);
      expect(await readUntil(console, consoleText)).toMatch(consoleText);
      await new Promise<void>((resolve, reject) => console.write('hello guest\r', (error) => (error ? reject(error) : resolve())));
      if (traits.consoleEchoes) expect(await readUntil(console, /hello guest/)).toContain('hello guest');
      console.resume();
      const closed = new Promise<void>((resolve) => console.once('close', resolve));
      console.end();
      await closed;
      expect((await libvirt.domainGetState(domain)).state).toBe('running');

      // Finished in order, it is free for the next; by force it is taken over.
      const next = await libvirt.openConsole(domain);
      const nextClosed = new Promise<void>((resolve) => next.once('close', resolve));
      next.on('error', () => undefined).resume();
      const taken = await libvirt.openConsole(domain, { force: true });
      taken.destroy();
      await nextClosed;
    });

    it('ends a console when its domain stops', async () => {
      const domain = await libvirt.domainCreate(await define());
      const console = await libvirt.openConsole(domain);
      const closed = new Promise<void>((resolve) => console.once('close', resolve));
      console.on('error', () => undefined).resume();
      await libvirt.domainDestroy(domain);
      await closed;
      expect(await refusal(libvirt.openConsole(domain))).toBe('OPERATION_INVALID');
      expect(libvirt.isUp).toBe(true);
    });
  });
}
