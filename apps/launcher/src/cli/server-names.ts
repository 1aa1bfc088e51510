import type { ApiClient } from '../client.js';
import type { NameOf } from './device-text.js';

/** Names of all servers, or of those on a host; a cloud without a compute API that answers leaves ids. Asked only when there is an id to name. */
export async function serverNames(api: ApiClient, ids: readonly (string | null)[], host?: string): Promise<NameOf> {
  const wanted = new Set(ids.filter((id) => id !== null));
  if (wanted.size === 0) return () => undefined;
  try {
    const names = new Map<string, string>();
    for (let marker = ''; ;) {
      const { servers } = await api.call<{ servers: { id: string; name: string }[] }>('GET', `/compute/v2.1/servers?all_tenants=1&limit=1000${host === undefined ? '' : `&host=${encodeURIComponent(host)}`}${marker}`);
      for (const { id, name } of servers) if (wanted.has(id)) names.set(id, name);
      if (servers.length < 1000 || names.size === wanted.size) break;
      marker = `&marker=${servers.at(-1)!.id}`;
    }
    return (id) => names.get(id);
  } catch {
    // Names are a comfort: what is asked for is shown without them.
    return () => undefined;
  }
}
