/**
 * Which device classes there are: the scheduler's word, asked for when a flavor is written that names some. Keeps nothing: a flavor
 * is written seldom, and one that names a class which is not there would only fail much later, with every server made of it.
 */
import { Inject, Injectable } from '@nestjs/common';
import { listDeviceClassNames, type Flavor } from '#libs/contracts';
import { asSkyError, badRequest, unavailable } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { devicesOfFlavor } from '#libs/openstack';

/** Names that are shown where one is wrong. */
const SHOWN = 20;

@Injectable()
export class DeviceClasses {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  /** @throws badRequest in Nova's words when a class of these extra specs is not there; unavailable when nobody can say. */
  async demandKnown(flavor: Pick<Flavor, 'vcpus' | 'ramMib' | 'diskGib' | 'extraSpecs'>): Promise<void> {
    await this.demandNamed(Object.keys(devicesOfFlavor(flavor)), (name) => `PCI alias ${name} is not defined.`);
  }

  /** The same of names that somebody asks for. @param words what is wrong with one that is not there */
  async demandNamed(asked: readonly string[], words: (name: string) => string): Promise<void> {
    if (asked.length === 0) return;
    const names = await this.#names(asked);
    const unknown = asked.find((name) => !names.includes(name));
    if (unknown === undefined) return;
    const there = names.length === 0 ? 'there is none yet' : `there are ${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''}`;
    throw badRequest(`${words(unknown)} What to do: name a device class (${there}), or make one: skylite device class create ${unknown} ….`);
  }

  async #names(asked: readonly string[]): Promise<readonly string[]> {
    try {
      return (await this.bus.ask(listDeviceClassNames, {})).names;
    } catch (error) {
      if (!['unavailable', 'timeout'].includes(asSkyError(error).kind)) throw error;
      throw unavailable(`Whether there are device classes named ${asked.join(', ')} only the scheduler knows, and it does not answer. Nothing was written. What to do: try again when it is back.`, { retryAfterS: 5 });
    }
  }
}

/** Says at once, in numbers, that no host has as many devices as each server of this flavor wants. While nobody can say, the claim will. */
export async function demandOffered(bus: Bus, flavor: Flavor): Promise<void> {
  const asked = Object.entries(devicesOfFlavor(flavor));
  if (asked.length === 0) return;
  const offered = await bus.ask(listDeviceClassNames, {}).catch((error: unknown) => {
    if (['unavailable', 'timeout'].includes(asSkyError(error).kind)) return null;
    throw error;
  });
  if (offered === null) return;
  for (const [name, count] of asked) {
    const { total = 0, mostPerHost = 0 } = offered.counts[name] ?? {};
    if (count <= mostPerHost) continue;
    throw badRequest(`No valid host was found: flavor ${flavor.name} asks for ${count} of device class ${name}, and no host has more than ${mostPerHost} (${total} on all hosts together). What to do: take a flavor with fewer, or let an administrator look at skylite device pool list.`);
  }
}
