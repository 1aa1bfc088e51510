/** Nested guests of one lab: the image and flavors they boot with, their serial lines, their end. */
const FLAVOR = { vcpus: 1, ram: 192, disk: 1 };
const ACTIVE_MS = 180_000;
const GONE_MS = 120_000;

export class Guests {
  #cloud;
  #image;
  #lab;

  static async of(cloud, lab) {
    const guests = new Guests();
    guests.#cloud = cloud;
    guests.#lab = lab;
    guests.#image = await cloud.addImage('lab-guest', lab.host.guestImage);
    await guests.flavor('lab-plain');
    return guests;
  }

  /** @param {Record<string, string>} extraSpecs */
  async flavor(name, extraSpecs = {}, change = {}) {
    await this.#cloud.call('POST', '/compute/v2.1/flavors', { flavor: { id: name, name, ...FLAVOR, ...change } });
    if (Object.keys(extraSpecs).length > 0) await this.#cloud.call('POST', `/compute/v2.1/flavors/${name}/os-extra_specs`, { extra_specs: extraSpecs });
  }

  /** @param {{ name: string, flavor?: string, says?: Record<string, string> }} wish `says`: what the guest is to do (recipe/guest/init) */
  async create({ name, flavor = 'lab-plain', says = {}, ...rest }) {
    const lines = Object.entries(says).map(([key, value]) => `lab ${key} ${value}\n`).join('');
    const { server: { id } } = await this.#cloud.call('POST', '/compute/v2.1/servers', {
      server: { name, imageRef: this.#image, flavorRef: flavor, networks: 'none', availability_zone: 'lab', config_drive: true, ...(lines && { user_data: Buffer.from(lines).toString('base64') }), ...rest },
    });
    return id;
  }

  async show(id) { return (await this.#cloud.call('GET', `/compute/v2.1/servers/${id}`)).server; }

  /** Waits until it is ACTIVE; an ERROR ends the wait with its reason. */
  async active(id) {
    return this.#cloud.until(`server ${id} is ACTIVE`, ACTIVE_MS, async () => {
      const server = await this.show(id);
      if (server.status === 'ERROR') throw Object.assign(new Error(`ERROR: ${server.fault?.message}`), { final: true });
      return server.status === 'ACTIVE' && server;
    });
  }

  async console(id) { return (await this.#cloud.call('POST', `/compute/v2.1/servers/${id}/action`, { 'os-getConsoleOutput': {} })).output; }

  /** Waits until its serial line has said what `pattern` matches. @returns the match */
  async says(id, pattern, ms) {
    let text = '';
    try {
      return await this.#cloud.until(`server ${id} says ${pattern}`, ms, async () => {
        const server = await this.show(id);
        if (server.status === 'ERROR') throw Object.assign(new Error(`ERROR: ${server.fault?.message}`), { final: true });
        if (server.status !== 'ACTIVE') return false;
        text = await this.console(id);
        return pattern.exec(text);
      });
    } catch (error) {
      throw Object.assign(new Error(`${error.message}; it said: ${text.slice(-1500)}`, { cause: error }), { stalled: error.stalled === true });
    }
  }

  async domainXml(id) { return this.#lab.run(`virsh -c qemu:///system dumpxml ${id}`); }

  /** Deletes and waits until nothing is left of it. */
  async remove(id) {
    await this.#cloud.call('DELETE', `/compute/v2.1/servers/${id}`);
    await this.#cloud.until(`libvirt has lost ${id}`, GONE_MS, async () => !(await this.#lab.run('virsh -c qemu:///system list --all --uuid')).includes(id));
  }
}
