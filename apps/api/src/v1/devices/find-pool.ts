import { z } from 'zod';
import { listDevicePools, type DevicePoolView } from '#libs/contracts';
import { notFound } from '#libs/errors';
import type { Bus } from '#libs/messaging';

const Id = z.uuid();

/** A device pool by its id or its name. @throws SkyError `not-found` */
export async function findPool(bus: Bus, idOrName: string, requestId: string): Promise<DevicePoolView> {
  const id = Id.safeParse(idOrName);
  const { pools: [pool] } = idOrName.length > 64 ? { pools: [] } : await bus.ask(listDevicePools, id.success ? { id: id.data } : { name: idOrName }, { requestId });
  if (pool === undefined) throw notFound(`There is no device pool ${idOrName.slice(0, 64)}.`);
  return pool;
}
