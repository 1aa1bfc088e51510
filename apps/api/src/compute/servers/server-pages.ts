import { listServers, type InputOf, type InstanceView } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import { asking, type Call } from '../../http/call.js';

/** A whole page: one answer may have fewer servers than asked for though there are more, because it has to fit a message. */
export async function collectPage(bus: Bus, { caller }: Call, asked: Omit<InputOf<typeof listServers>, 'caller'>): Promise<InstanceView[]> {
  const ask = asking(bus, caller);
  const first = await ask(listServers, asked);
  let { more } = first;
  if (!more || first.instances.length >= asked.limit) return first.instances;
  const page = [...first.instances];
  while (more && page.length > 0 && page.length < asked.limit) {
    const next = await ask(listServers, { ...asked, limit: asked.limit - page.length, marker: page.at(-1)?.id });
    page.push(...next.instances);
    more = next.more && next.instances.length > 0;
  }
  return page;
}
