/**
 * What tenants ask for at random, of small guests: servers with and without a function, functions more and fewer while they are there, an end.
 * Every refusal is judged: one that nothing explains is a failure, and so is any answer that speaks of an error of ours.
 */
import { CLASS } from './device-lab.mjs';

const MOST_SERVERS = 4;
/** Attached to one server. */
const MOST_ATTACHED = 2;
const READY_MS = 120_000;
const SETTLED_MS = 240_000;
/** libvirtd was killed while it attached it: QEMU has it, and nobody can ask for it back. */
const FORGOTTEN = /needs guest stop: libvirt ended/;

export class Load {
  #it;
  #chance;
  /** By id: kind of guest, and attachments that were asked for and not asked back. */
  #servers = new Map();
  #counts = { created: 0, deleted: 0, attached: 0, detached: 0, refused: 0 };

  /** @param {import('./device-lab.mjs').DeviceLab} it @param chance random(), below(n), any(list), and the VLANs there are */
  constructor(it, chance) {
    this.#it = it;
    this.#chance = chance;
  }

  toString() { return Object.entries(this.#counts).map(([name, count]) => `${count} ${name}`).join(', '); }

  /** One wish of a tenant; mostly of a server that can have it granted. @returns which */
  async next() {
    const { random, any } = this.#chance;
    const servers = [...this.#servers.keys()];
    const roll = random();
    if (servers.length === 0 || (servers.length < MOST_SERVERS && roll < 0.25)) return this.#create();
    if (roll < 0.35) return this.#delete(any(servers));
    const ready = random() < 0.1 ? servers : await this.#active(servers);
    const attached = ready.filter((id) => this.#servers.get(id).attachments.length > 0);
    if (attached.length > 0 && roll < 0.65) return this.#detach(any(attached));
    const more = ready.filter((id) => this.#servers.get(id).attachments.length < MOST_ATTACHED);
    if (more.length > 0) return this.#attach(any(more));
    return servers.length < MOST_SERVERS ? this.#create() : this.#detach(any(attached.length > 0 ? attached : servers));
  }

  async #active(servers) {
    const shown = await Promise.all(servers.map((id) => this.#it.guests.show(id)));
    return shown.filter(({ status }) => status === 'ACTIVE').map(({ id }) => id);
  }

  async #create() {
    const { random, any, vlans } = this.#chance;
    const kind = random() < 0.3 ? 'deaf' : 'answers';
    const id = await this.#it.create(`small-${this.#counts.created}`, random() < 0.5 ? any(vlans) : null, kind);
    this.#servers.set(id, { kind, attachments: [] });
    this.#counts.created += 1;
    return `create ${id}`;
  }

  async #delete(id) {
    await this.#it.cloud.call('DELETE', `/compute/v2.1/servers/${id}`);
    this.#servers.delete(id);
    this.#counts.deleted += 1;
    return `delete ${id}`;
  }

  async #attach(id) {
    const { cloud } = this.#it;
    const asked = () => Promise.all([this.#it.guests.show(id), this.#it.vfs()]);
    const before = await asked();
    const { status, value, text } = await cloud.ask('POST', `/v1/servers/${id}/devices`, { class: CLASS, vlan: this.#chance.any(this.#chance.vlans) });
    if (status === 202) {
      this.#servers.get(id).attachments.push(value.attachments[0].id);
      this.#counts.attached += 1;
    } else if (status === 409) await this.#judge(`attach to ${id}`, text, before, await asked());
    else throw new Error(`attach to ${id}: ${status} ${text.slice(0, 400)}`);
    return `attach to ${id}: ${status}`;
  }

  /** A server that was there and at rest all the time, and a function that was free all the time: then there is no reason. */
  async #judge(what, text, [server, vfs], [then, vfsThen]) {
    this.#counts.refused += 1;
    const free = vfs.find(({ id, state, generation }) => state === 'available' && vfsThen.some((each) => each.id === id && each.state === 'available' && each.generation === generation));
    const atRest = [server, then].every(({ status, 'OS-EXT-STS:task_state': task }) => status === 'ACTIVE' && task === null);
    if (atRest && free) throw new Error(`${what} was refused, though the server is ACTIVE and ${free.device.identity} free: ${text.slice(0, 600)}`);
  }

  async #detach(id) {
    const { cloud } = this.#it;
    const attachment = this.#chance.any(this.#servers.get(id).attachments);
    if (attachment === undefined) return this.#delete(id);
    const before = await this.#it.guests.show(id);
    const { status, text } = await cloud.ask('DELETE', `/v1/servers/${id}/devices/${attachment}`);
    // 404: it could not be attached for good, and was taken back.
    if (status === 202 || status === 404) {
      const server = this.#servers.get(id);
      server.attachments = server.attachments.filter((each) => each !== attachment);
      this.#counts.detached += 1;
    } else if (status === 409) {
      this.#counts.refused += 1;
      const then = await this.#it.guests.show(id);
      if ([before, then].every((server) => server.status === 'ACTIVE' && server['OS-EXT-STS:task_state'] === null)) throw new Error(`detach from ${id}, which is ACTIVE, was refused: ${text.slice(0, 400)}`);
    } else throw new Error(`detach from ${id}: ${status} ${text.slice(0, 400)}`);
    return `detach from ${id}: ${status}`;
  }

  /** Waits until no server is being built, and none is about to get a function. */
  async untilNobodyGetsAny() {
    const { cloud, guests } = this.#it;
    for (const id of this.#servers.keys()) {
      await cloud.until(`${id} is no longer being built`, READY_MS, async () => (await guests.show(id)).status !== 'BUILD');
      await cloud.until(`${id} is about to get no function`, READY_MS, async () => {
        const { devices, attachments } = await this.#it.standing(id);
        const coming = [...devices, ...attachments].filter(({ state }) => state === 'attaching');
        if (coming.length > 0) throw new Error(JSON.stringify(coming));
        return true;
      });
    }
  }

  /** Waits until each attachment is there, or was taken back, and what was asked back is gone, or waits for a guest that answers nobody. */
  async settled() {
    const { cloud, guests } = this.#it;
    const said = { attached: 0, 'taken back': 0, 'waiting for their guest': 0 };
    for (const [id, { kind, attachments }] of this.#servers) {
      const found = await cloud.until(`what was asked of ${id} (${kind}) has come about`, SETTLED_MS, async () => {
        const { status } = await guests.show(id);
        const standing = await this.#it.standing(id);
        if (status === 'ERROR') return standing; // no host had room for it, and so it has nothing
        const open = standing.attachments.filter((each) => !(each.state === 'attached' && attachments.includes(each.id)) && !(kind === 'deaf' ? /needs guest stop/ : FORGOTTEN).test(each.reason ?? ''));
        if (status !== 'ACTIVE' || open.length > 0) throw new Error(`${status} ${JSON.stringify(standing)}`);
        return standing;
      });
      const there = found.attachments.filter(({ state }) => state === 'attached').length;
      said.attached += there;
      said['taken back'] += attachments.length - there;
      said['waiting for their guest'] += found.attachments.length - there;
    }
    await cloud.until('claims, guests and libvirt say the same', READY_MS, async () => {
      const views = (await this.#it.vfs()).filter(({ holder }) => holder !== null).map(({ holder, device }) => `${holder} ${device.address}`);
      const { uses, live } = await this.#it.look();
      const [held, used, named] = [views, ...[uses, live].map((list) => list.map(({ domain, address }) => `${domain} ${address}`))].map((list) => [...new Set(list)].sort().join(', '));
      // A libvirtd that was killed while it attached one has forgotten it.
      if (held === used && named.split(', ').every((each) => each === '' || used.includes(each))) return true;
      throw new Error(`held: ${held}; in guests: ${used}; libvirt: ${named}`);
    });
    return Object.entries(said).map(([name, count]) => `${count} ${name}`).join(', ');
  }

  /** Deletes all and waits until libvirt has lost them. */
  async removeAll() {
    const { cloud, lab } = this.#it;
    for (const id of this.#servers.keys()) await cloud.call('DELETE', `/compute/v2.1/servers/${id}`);
    this.#servers.clear();
    await cloud.until('libvirt has no domain', READY_MS, async () => (await lab.run('virsh -c qemu:///system list --all --uuid')).trim() === '');
  }
}
