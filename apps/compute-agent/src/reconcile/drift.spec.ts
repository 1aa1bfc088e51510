// What is said of things that somebody did behind the agent's back, through the whole loop, over the fake hypervisor.
import { afterEach, describe, expect, it } from '@jest/globals';
import { desired, instanceId, layout, layoutCell } from '../testing/builders.js';
import { TestHost } from '../testing/test-host.js';

const ID = instanceId();
let host: TestHost;
afterEach(() => host.close());
const untilDrift = async (...kinds: string[]): Promise<void> => {
  for (let wait = 0; wait < 3_000 && JSON.stringify(host.plane.drift.map(({ kind }) => kind)) !== JSON.stringify(kinds); wait += 1) await new Promise((resolve) => { setTimeout(resolve, 10); });
  expect(host.plane.drift.map(({ kind }) => kind)).toEqual(kinds);
};

describe('drift', () => {
  it('is said when it comes and when it goes', async () => {
    host = new TestHost();
    await host.start();
    host.plane.want(desired());
    await host.plane.settled(ID, 'running');
    await untilDrift();
    host.hypervisor.guestPowerOff(ID);
    await untilDrift('ended-by-itself');
    const { sinceMs, id } = host.plane.drift[0]!;
    expect([id, Math.abs(Date.now() - sinceMs) < 60_000]).toEqual([ID, true]);
    host.plane.want(desired({ generation: 2 }));
    await host.plane.settled(ID, 'running', 2);
    await untilDrift();
  });

  it('names what the control plane does not name any more, as long as something of it is there, and lets go of what is only a memory', async () => {
    host = new TestHost({ limits: { fullPullEveryMs: 30, leftOutPulls: 3 } });
    await host.start();
    const [guest, memory] = [desired(), desired({ id: instanceId(2) })];
    host.plane.want(guest);
    await host.plane.settled(guest.id, 'running');
    // Nothing is built of it.
    host.around = async () => { throw new Error('no'); };
    host.plane.want(memory);
    await host.plane.until(memory.id, ({ error }) => error?.final === true);
    host.plane.lose(guest.id);
    host.plane.lose(memory.id);
    for (let wait = 0; wait < 3_000 && host.ledger.entries.has(memory.id); wait += 1) await new Promise((resolve) => { setTimeout(resolve, 10); });
    expect([...host.ledger.entries.keys()]).toEqual([guest.id]);
    await untilDrift('unlisted');
    expect([host.plane.drift[0]?.id, host.hypervisor.domain(guest.id)?.state]).toEqual([guest.id, 'running']);
  });

  it('names a guest that was pinned elsewhere while it runs, until it is put back', async () => {
    const placement = { cpus: { shared: [0, 1], dedicated: [2, 3] }, reservedPages: [], traits: [], resources: {} };
    host = new TestHost({ placement });
    await host.start();
    host.plane.want(desired({ layout: layout({ cells: [layoutCell({ pins: [[0, 2]] })] }) }));
    await host.plane.settled(ID, 'running');
    await untilDrift();
    host.hypervisor.tune(ID, (xml) => xml.replace(/(<vcpupin vcpu=.0. cpuset=.)2/, '$10'));
    await untilDrift('changed-definition');
    expect(host.plane.drift[0]?.what).toMatch(/runs on other CPUs/);
    host.hypervisor.tune(ID, (xml) => xml.replace(/(<vcpupin vcpu=.0. cpuset=.)0/, '$12'));
    await untilDrift();
  });

  it('names guests of before the CPUs were divided, until they are started anew', async () => {
    host = new TestHost();
    await host.start();
    host.plane.want(desired());
    await host.plane.settled(ID, 'running');
    await host.agent.stop();
    host.placement = { cpus: { shared: null, dedicated: [2, 3] }, reservedPages: [], traits: [], resources: {} };
    await host.restart();
    await untilDrift('outdated-cpus');
    expect(host.plane.drift[0]?.what).toMatch(/shared CPUs were all; now they are 0-1/);
    expect(host.hypervisor.domain(ID)).toMatchObject({ starts: 1 });
    host.plane.want(desired({ generation: 2, rebootCount: 1, rebootType: 'hard' }));
    await host.plane.until(ID, ({ rebootCount, state }) => rebootCount === 1 && state === 'running');
    await untilDrift();
    expect(host.hypervisor.domain(ID)).toMatchObject({ starts: 2, xml: expect.stringMatching(/<vcpu placement='static' cpuset='0-1'>/) });
  });

  it('names an edited definition, strangers and what was forgotten above', async () => {
    host = new TestHost();
    await host.start();
    host.plane.want(desired());
    await host.plane.settled(ID, 'running');
    const { libvirt } = host;
    const xml = await libvirt.domainGetXmlDesc(await libvirt.domainLookupByUuid(ID), { inactive: true });
    await libvirt.domainDefineXml(xml.replace(/<vcpu[^>]*>1</, '<vcpu placement=\'static\'>4<'));
    await untilDrift('changed-definition');
    await libvirt.domainDefineXml(xml);
    await untilDrift();
    const stranger = instanceId(7);
    await libvirt.domainDefineXml(xml.replaceAll(ID, stranger));
    await untilDrift('orphan-domain');
    expect(host.plane.drift[0]?.id).toBe(stranger);
    await new Promise((resolve) => { setTimeout(resolve, 60); });
    expect(host.hypervisor.domain(stranger)).toBeDefined();
    host.plane.want(desired({ id: stranger, generation: 1_000, intent: 'deleted' }));
    await host.plane.settled(stranger, 'absent', 1_000);
    expect(host.hypervisor.domain(stranger)).toBeUndefined();
    await untilDrift();
  });
});
