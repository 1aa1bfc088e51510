import { HostId, listHosts, type HostView } from '#libs/contracts';
import { notFound } from '#libs/errors';
import type { Bus } from '#libs/messaging';

/** A host by its id or its name. @throws SkyError `not-found` */
export async function findHost(bus: Bus, idOrName: string, requestId: string): Promise<HostView> {
  const id = HostId.safeParse(idOrName);
  const { hosts } = await bus.ask(listHosts, id.success ? { id: id.data } : { name: idOrName }, { requestId });
  const host = hosts[0];
  if (host === undefined) throw notFound(`There is no host ${idOrName}.`);
  return host;
}
