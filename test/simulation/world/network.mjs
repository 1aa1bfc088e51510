// The bus between simulated processes. Messages take time, get lost, doubled and reordered; processes and hosts are cut
// off. What a handler gets is checked as on the real wire. Each process has its own end.
import { subjectFor } from '#libs/contracts';
import { fromWireError, timedOut, toWireError, unavailable } from '#libs/errors';
import { answer, checkInput } from '../../../libs/messaging/call.js';

const copy = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

export class Network {
  ends = new Set();
  /** Everybody is cut off: the server is away. */
  down = false;
  /** Weather: chances per message, and mean milliseconds under way. */
  weather = { lose: 0, double: 0, delayMs: 1, mostMs: 20 };
  twice = false;
  /** How often it was wiped: what was under way then is lost. */
  age = 0;
  constructor(world) { this.world = world; }

  join(process, cut = false) { const end = new End(this, process, cut); this.ends.add(end); return end; }
  tell() { for (const end of this.ends) end.look(); }
  /** The server loses everything it had, and is away. */
  wipe() { this.age += 1; this.down = true; this.tell(); }
  lag() { return this.world.random.delay(this.weather.delayMs, this.weather.mostMs); }
}

class End {
  handlers = [];
  listeners = [];
  watchers = [];
  #pending = new Set();
  cut;
  #was = true;
  constructor(network, process, cut) { this.network = network; this.process = process; this.cut = cut; this.#was = this.connected; }

  get connected() { return !this.cut && !this.network.down && this.process.state !== 'dead'; }
  onConnection(watcher) { this.watchers.push(watcher); }
  look() {
    if (this.connected === this.#was) return;
    this.#was = this.connected;
    const { world } = this.network;
    world.after(world.random.between(0, this.#was ? 1500 : 50), () => {
      if (!this.connected) for (const fail of [...this.#pending]) fail(unavailable('The connection to the message bus was lost.'));
      for (const watcher of this.watchers) watcher(this.connected);
    }, this.process);
  }

  ask(contract, input, options = {}) {
    const { world } = this.network;
    return new Promise((resolve, reject) => {
      let body;
      try { body = copy(checkInput(contract, input)); } catch (error) { reject(error); return; }
      if (!this.connected) { reject(unavailable('The message bus is not connected.')); return; }
      const remainingMs = Math.min(contract.timeoutMs, options.timeoutMs ?? contract.timeoutMs);
      const subject = subjectFor(contract.subject, options.hostId);
      const cancel = world.after(remainingMs, () => end(() => reject(timedOut(`No answer to ${subject} in time.`))), this.process);
      const end = (how) => { cancel(); this.#pending.delete(fail); how(); };
      const fail = (error) => end(() => reject(error));
      this.#pending.add(fail);
      const reply = (result, error) => this.#travel(() => {
        if (!this.connected) return;
        end(() => (error ? reject(fromWireError(error)) : resolve(result)));
      }, this.process);
      const deliver = () => {
        if (!this.connected) return;
        const able = [...this.network.ends].filter((each) => each.connected).flatMap((each) => each.handlers.filter((handler) => handler.contract.subject === contract.subject && (handler.hostId === undefined || handler.hostId === options.hostId)).map((handler) => ({ each, handler })));
        if (able.length === 0) { reply(undefined, toWireError(unavailable(`Nobody answers ${subject} now.`))); return; }
        const { each, handler } = world.random.pick(able);
        world.after(0, () => {
          world.trace(`${each.process.name} < ${subject}`);
          const incoming = { body: copy(body), hostId: options.hostId, requestId: options.requestId, remainingMs };
          answer(contract, handler.run, incoming).then((result) => { if (each.connected) reply(copy(result)); }, (error) => { if (each.connected) reply(undefined, copy(toWireError(error))); });
        }, each.process);
      };
      this.#travel(deliver, null);
      if (this.network.twice || world.random.chance(this.network.weather.double)) world.after(this.network.lag() * 3, deliver, null);
    });
  }

  hint(hint, payload, options = {}) {
    if (!this.connected) return;
    const text = JSON.stringify(payload);
    for (const each of this.network.ends) {
      for (const listener of each.listeners) {
        if (listener.subject !== hint.subject || (listener.hostId !== undefined && listener.hostId !== options.hostId)) continue;
        this.#travel(() => { if (each.connected) listener.heard(JSON.parse(text), { hostId: options.hostId }); }, each.process);
      }
    }
  }

  handle(contract, run, options) {
    const handler = { contract, run, hostId: options.hostId };
    this.handlers.push(handler);
    return { stop: async () => { this.handlers = this.handlers.filter((each) => each !== handler); } };
  }

  onHint(hint, heard, options = {}) {
    const listener = { subject: hint.subject, heard, hostId: options.hostId };
    this.listeners.push(listener);
    return { stop: async () => { this.listeners = this.listeners.filter((each) => each !== listener); } };
  }

  async close() { this.network.ends.delete(this); }

  #travel(task, process) {
    const { world, weather } = this.network;
    if (world.random.chance(weather.lose)) return;
    const { age } = this.network;
    world.after(this.network.lag(), () => (this.network.age === age ? task() : undefined), process);
  }
}
