import { ApiError, type ApiClient } from '../client.js';
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

/** A server by its id, or by its name if only one has it. */
export async function serverIdOf(api: Pick<ApiClient, 'call'>, idOrName: string): Promise<string> {
  if (/^[0-9a-f]{8}-/.test(idOrName)) return idOrName;
  const { servers } = await api.call<{ servers: { id: string; name: string }[] }>('GET', `/compute/v2.1/servers?all_tenants=1&name=${encodeURIComponent(`^${idOrName.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`)}`);
  if (servers.length === 1 && servers[0]) return servers[0].id;
  throw new ApiError(404, servers.length === 0 ? `no server is called ${idOrName}.` : `${servers.length} servers are called ${idOrName}: name one by id: ${servers.map((server) => server.id).join(', ')}`);
}
