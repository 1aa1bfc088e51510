import { HostId, listProviders, type ResourceProvider } from '#libs/contracts';
import { notFound } from '#libs/errors';
import type { Bus } from '#libs/messaging';

/** All of them, page by page. */
export async function allProviders(bus: Bus, requestId: string): Promise<ResourceProvider[]> {
  const found: ResourceProvider[] = [];
  for (let after: number | null = 0; after !== null;) {
    const page: { providers: ResourceProvider[]; next: number | null } = await bus.ask(listProviders, { after }, { requestId });
    found.push(...page.providers);
    after = page.next;
  }
  return found;
}

export async function oneProvider(bus: Bus, requestId: string, uuid: string): Promise<ResourceProvider> {
  const { data: id } = HostId.safeParse(uuid.toLowerCase());
  const { providers: [provider] } = id === undefined ? { providers: [] } : await bus.ask(listProviders, { id }, { requestId });
  if (provider === undefined) throw notFound(`No resource provider with uuid ${uuid.slice(0, 64)} found`, { details: { code: 'placement.resource_provider.not_found' } });
  return provider;
}
