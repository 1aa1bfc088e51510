/**
 * How hosts' power is cut: settings, and the fence agent of their kind. Owns sealing and unsealing of passwords. Never
 * decides that power shall be cut. Nothing here survives a crash but what is stored.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { ReceivedBy, setHostPower } from '#libs/contracts';
import { badRequest, conflict, forbidden, notFound, unsupported } from '#libs/errors';
import { CONFIG, type SchedulerConfig } from '../deps.js';
import type { FenceAgent, PowerSettings, Proof } from './fence-agent.js';
import { IpmiAgent } from './ipmi.agent.js';
import { PowerRepository } from './power.repository.js';
import { RedfishAgent } from './redfish.agent.js';
import { seal, unseal } from './sealing.js';
import { byOf } from '../hosts/hosts.repository.js';

/** Never looks like an option, a path or a user's part. */
const ADDRESS = /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::\d{1,5})?$/;

@Injectable()
export class PowerSwitches {
  readonly #agents: Readonly<Record<PowerSettings['kind'], FenceAgent>>;

  constructor(private readonly repository: PowerRepository, @Inject(CONFIG) private readonly config: SchedulerConfig) {
    this.#agents = config.fenceAgents ?? { ipmi: new IpmiAgent(), redfish: new RedfishAgent() };
  }

  async set({ caller, hostId, power }: ReceivedBy<typeof setHostPower>): Promise<Record<string, never>> {
    if (!caller.isAdmin) throw forbidden("Only an admin may say how a host's power is cut.");
    if (power !== null && !ADDRESS.test(power.address)) throw badRequest("The address of a host's power switch is a name or an IP address, with :port if need be.");
    if (power?.systemPath !== undefined && !power.systemPath.startsWith('/redfish/')) throw badRequest('A system path begins with /redfish/.');
    const sealed = power && { kind: power.kind, address: power.address, username: power.username, options: { systemPath: power.systemPath, certificateSha256: power.certificateSha256 }, sealedPassword: seal(this.#key, hostId, power.password) };
    if (!(await this.repository.set(hostId, sealed, byOf(caller)))) throw notFound(`No host has the id ${hostId}.`);
    return {};
  }

  async powerOff(hostId: string, signal: AbortSignal): Promise<Proof> {
    const settings = await this.repository.find(hostId);
    if (!settings) throw conflict('How to cut the power of this host is not known any more.');
    const { sealedPassword, ...rest } = settings;
    let password: string;
    try {
      password = unseal(this.#key, hostId, sealedPassword);
    } catch (error) {
      throw conflict("The password of this host's power switch cannot be read with this cloud's key: set it anew.", { cause: error });
    }
    return this.#agents[rest.kind].powerOff({ ...rest, password }, signal);
  }

  get #key(): Uint8Array {
    if (this.config.powerKey === undefined) throw unsupported('This scheduler has no key to keep passwords of power switches with.');
    return this.config.powerKey;
  }
}
