import { listServers, type InputOf, type InstanceView } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import { asking, type Call } from '../../http/call.js';

export interface ServersPart { readonly instances: InstanceView[]; readonly isLast: boolean }

/** A page, part by part: one answer may have fewer servers than asked for though there are more, for it has to fit a message, or into memory. */
export async function* pageInParts(bus: Bus, { caller }: Call, asked: Omit<InputOf<typeof listServers>, 'caller'>): AsyncGenerator<ServersPart> {
  const ask = asking(bus, caller);
  let { limit, marker } = asked;
  for (;;) {
    const { instances, more } = await ask(listServers, { ...asked, limit, ...(marker !== undefined && { marker }) });
    limit -= instances.length;
    const isLast = !more || instances.length === 0 || limit <= 0;
    yield { instances, isLast };
    if (isLast) return;
    marker = instances.at(-1)?.id;
  }
}
