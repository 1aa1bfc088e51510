// One client of the fake daemon: reads calls, works on at most a few at once, answers, and carries events and consoles.
import type { Socket } from 'node:net';
import type { DomainEvent } from '../api.js';
import type { ProcedureName } from '../call-table.js';
import { fromRef, uuidFromBytes } from '../convert.js';
import { LibvirtError, LibvirtProtocolError } from '../errors.js';
import { EVENTS, KEEPALIVE, MESSAGE, MESSAGE_STATUS, MESSAGE_TYPE, PROCEDURES, PROGRAMS } from '../facts.js';
import { encodeFrame, encodeRawFrame, FrameDecoder, type Packet, type PacketHeader } from '../framing.js';
import { keepaliveFrame } from '../keepalive.js';
import { decodeUntyped, type XdrType, type XdrValue } from '../xdr.js';
import type { FakeHypervisor } from './hypervisor.js';
import { domainEvent, ERR } from './rules.js';

export interface FakeClientOptions {
  readonly maxRequests: number;
  readonly keepaliveMs: number;
  onPong(): void;
  onClose(): void;
}

interface Callback {
  readonly eventId: number;
  readonly uuid: string | null;
}

interface OpenStream {
  write(data: Buffer): void;
  close(): void;
}

type EventMessages = { readonly [E in keyof typeof EVENTS]: XdrValue<(typeof EVENTS)[E]['message']> };

const FEATURE_KEEPALIVE = 10;
const BY_NUMBER = new Map<number, ProcedureName>((Object.keys(PROCEDURES) as ProcedureName[]).map((name) => [PROCEDURES[name].number, name]));
const EMPTY = new Uint8Array(0);

export class FakeClient {
  readonly #decoder = new FrameDecoder();
  readonly #callbacks = new Map<number, Callback>();
  readonly #streams = new Map<number, OpenStream>();
  readonly #waiting: Packet[] = [];
  readonly #unsubscribe: () => void;
  #working = 0;
  #nextCallback = 1;
  #opened = false;
  #frozen = false;
  #ping: NodeJS.Timeout | undefined;

  constructor(
    private readonly socket: Socket,
    private readonly hypervisor: FakeHypervisor,
    private readonly options: FakeClientOptions,
  ) {
    this.#unsubscribe = hypervisor.onEvent((event) => this.#onEvent(event));
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', () => this.close());
    socket.on('close', () => this.close());
  }

  close(): void {
    this.#unsubscribe();
    clearInterval(this.#ping);
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#waiting.length = 0;
    this.socket.destroy();
    this.options.onClose();
  }

  freeze(frozen: boolean): void {
    this.#frozen = frozen;
    if (frozen) this.socket.pause();
    else this.#readOrWait();
  }

  #onData(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk, (packet) => this.#onPacket(packet));
    } catch (error) {
      if (!(error instanceof LibvirtProtocolError)) throw error;
      this.close(); // as libvirtd does with a client that sends rubbish
    }
  }

  #onPacket(packet: Packet): void {
    if (packet.prog === PROGRAMS.keepalive.program) {
      if (packet.proc === KEEPALIVE.ping) this.#send(keepaliveFrame(KEEPALIVE.pong));
      else this.options.onPong();
    } else if (packet.type === MESSAGE_TYPE.stream) this.#onStream(packet);
    else if (packet.type === MESSAGE_TYPE.call) {
      this.#waiting.push(packet);
      this.#work();
    } else throw new LibvirtProtocolError(`a client sent type ${packet.type}`);
  }

  /** Takes waiting calls up to the limit; beyond it the socket is not read, pings included: libvirtd's own trap. */
  #work(): void {
    while (this.#working < this.options.maxRequests && this.#waiting.length > 0) {
      this.#working++;
      this.#call(this.#waiting.shift()!);
    }
    this.#readOrWait();
  }

  #readOrWait(): void {
    if (this.#frozen || this.#working >= this.options.maxRequests) this.socket.pause();
    else this.socket.resume();
  }

  #call(packet: Packet): void {
    const name = BY_NUMBER.get(packet.proc);
    if (packet.prog !== PROGRAMS.remote.program || name === undefined) {
      this.#refuse(packet, new LibvirtError(ERR.NO_SUPPORT, `unknown procedure: ${packet.proc}`, 7));
      return;
    }
    this.hypervisor.count(name);
    const fault = this.hypervisor.faults.take(name);
    const delay = fault?.kind === 'delay' ? fault.ms : this.hypervisor.latencyOf(name);
    const act = (): void => {
      if (this.socket.destroyed) return;
      if (fault?.kind === 'error') return this.#refuse(packet, new LibvirtError(fault.code, fault.message ?? `injected error ${fault.code}`, 10));
      if (fault?.kind === 'drop' && fault.when === 'before') return this.close();
      if (fault?.kind === 'hang' && fault.when === 'before') return;
      let reply: () => void;
      try {
        reply = this.#perform(name, packet);
      } catch (error) {
        if (error instanceof LibvirtProtocolError) return this.close();
        if (!(error instanceof LibvirtError)) throw error;
        reply = () => this.#refuse(packet, error);
      }
      if (fault?.kind === 'drop') return this.close();
      if (fault?.kind === 'hang') return;
      reply();
    };
    if (delay > 0) this.hypervisor.after(delay, act);
    else act();
  }

  /** Takes effect now; the returned function answers. */
  #perform(name: ProcedureName, packet: Packet): () => void {
    const facts = PROCEDURES[name] as { args: XdrType | null; ret: XdrType | null };
    const args = facts.args ? decodeUntyped(facts.args, packet.payload) : null;
    const ok = (value: unknown = null): (() => void) => () => this.#answer(packet, facts.ret, value);
    if (name === 'AUTH_LIST') return ok({ types: [0] });
    if (name === 'CONNECT_OPEN') {
      this.#opened = true;
      return ok();
    }
    if (!this.#opened && name !== 'CONNECT_CLOSE') throw new LibvirtError(ERR.INTERNAL_ERROR, 'internal error: connection not open', 7);
    switch (name) {
      case 'CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY': {
        const { eventID, dom } = args as { eventID: number; dom: { uuid: Uint8Array } | null };
        const callbackID = this.#nextCallback++;
        this.#callbacks.set(callbackID, { eventId: eventID, uuid: dom && uuidFromBytes(dom.uuid) });
        return ok({ callbackID });
      }
      case 'CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY':
        if (!this.#callbacks.delete((args as { callbackID: number }).callbackID)) throw new LibvirtError(ERR.INVALID_ARG, 'domain event callback not found', 7);
        return ok();
      case 'DOMAIN_OPEN_CONSOLE':
        return this.#openConsole(packet, args as Parameters<FakeHypervisor['openConsole']>[0], ok());
      case 'CONNECT_SUPPORTS_FEATURE':
        if ((args as { feature: number }).feature === FEATURE_KEEPALIVE && this.options.keepaliveMs > 0) {
          clearInterval(this.#ping);
          this.#ping = setInterval(() => this.#send(keepaliveFrame(KEEPALIVE.ping)), this.options.keepaliveMs).unref();
        }
        return ok(this.hypervisor.handle(name, args as never));
      default:
        return ok(this.hypervisor.handle(name, args as never));
    }
  }

  #openConsole(packet: Packet, args: Parameters<FakeHypervisor['openConsole']>[0], answer: () => void): () => void {
    const stream = this.hypervisor.openConsole(args, {
      onData: (data) => this.#send(this.#streamFrame(packet, MESSAGE_STATUS.continue, data)),
      onEnd: () => this.#send(this.#streamFrame(packet, MESSAGE_STATUS.continue, EMPTY)),
    });
    this.#streams.set(packet.serial, stream);
    return answer;
  }

  #onStream(packet: Packet): void {
    const stream = this.#streams.get(packet.serial);
    if (!stream) return;
    if (packet.status === MESSAGE_STATUS.continue) {
      if (packet.payload.length > 0) stream.write(packet.payload);
      return;
    }
    // Finish or abort: either is confirmed, and the stream is over.
    this.#streams.delete(packet.serial);
    stream.close();
    this.#send(this.#streamFrame(packet, MESSAGE_STATUS.ok, EMPTY));
  }

  #onEvent(event: DomainEvent): void {
    for (const [callbackID, { eventId, uuid }] of this.#callbacks) {
      if (uuid !== null && uuid !== event.domain.uuid) continue;
      const dom = fromRef(event.domain);
      if (event.kind === 'lifecycle' && eventId === EVENTS.lifecycle.id && event.event !== 'unknown') {
        const [number, detail] = domainEvent(event.event, event.detail);
        this.#message('lifecycle', { callbackID, msg: { dom, event: number, detail } });
      } else if (event.kind === 'reboot' && eventId === EVENTS.reboot.id) {
        this.#message('reboot', { callbackID, msg: { dom } });
      } else if (event.kind === 'tunable' && eventId === EVENTS.tunable.id) {
        this.#message('tunable', { callbackID, dom, params: [] });
      } else if (event.kind === 'device-removed' && eventId === EVENTS.deviceRemoved.id) {
        this.#message('deviceRemoved', { callbackID, msg: { dom, devAlias: event.alias } });
      } else if (event.kind === 'device-added' && eventId === EVENTS.deviceAdded.id) {
        this.#message('deviceAdded', { callbackID, dom, devAlias: event.alias });
      } else if (event.kind === 'device-removal-failed' && eventId === EVENTS.deviceRemovalFailed.id) {
        this.#message('deviceRemovalFailed', { callbackID, dom, devAlias: event.alias });
      }
    }
  }

  #message<E extends keyof EventMessages>(event: E, value: EventMessages[E]): void {
    const { number: proc, message } = EVENTS[event];
    this.#send(encodeFrame({ prog: PROGRAMS.remote.program, vers: PROGRAMS.remote.version, proc, type: MESSAGE_TYPE.message, serial: 1, status: MESSAGE_STATUS.ok }, message, value));
  }

  #answer(packet: Packet, type: XdrType | null, value: unknown): void {
    this.#send(encodeFrame(this.#reply(packet, MESSAGE_STATUS.ok), type, value));
    this.#done();
  }

  #refuse(packet: Packet, error: LibvirtError): void {
    const body = { code: error.code, domain: error.domain, message: error.message, level: 2, dom: null, str1: error.message, str2: null, str3: null, int1: -1, int2: -1, net: null };
    this.#send(encodeFrame(this.#reply(packet, MESSAGE_STATUS.error), MESSAGE.error, body));
    this.#done();
  }

  #done(): void {
    this.#working--;
    if (!this.socket.destroyed) this.#work();
  }

  #reply(packet: Packet, status: number): PacketHeader {
    return { prog: packet.prog, vers: packet.vers, proc: packet.proc, type: MESSAGE_TYPE.reply, serial: packet.serial, status };
  }

  #streamFrame(packet: Packet, status: number, data: Uint8Array): Buffer {
    return encodeRawFrame({ ...this.#reply(packet, status), type: MESSAGE_TYPE.stream }, data);
  }

  #send(frame: Buffer): void {
    if (!this.socket.destroyed && !this.#frozen) this.socket.write(frame);
  }
}
