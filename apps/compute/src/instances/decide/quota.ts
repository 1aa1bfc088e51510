/** How many servers a project may have now, and Nova's words when it is fewer than asked for. Pure. */
export interface Usage { instances: number; cores: number; ramMib: number; /** By class; left out: not looked at. */ devices?: Readonly<Record<string, number>> }
/** Of devices: by class, one that is not named has none. */
export interface Limits { instances: number; cores: number; ramMib: number; devices?: Readonly<Record<string, number>> | undefined }
export interface Wanted { minCount: number; maxCount: number; vcpus: number; ramMib: number; /** Of each server, by class. */ devices?: Readonly<Record<string, number>> }

export type QuotaAnswer = { allowed: number } | { refused: string; details: Record<string, unknown> };

/** -1 means no limit. As many as fit are allowed when that is at least `minCount`. */
export function withinQuota(limits: Limits, used: Usage, wanted: Wanted): QuotaAnswer {
  const room = (limit: number, taken: number, each: number): number => (limit < 0 ? Infinity : Math.floor((limit - taken) / each));
  const devices = Object.entries(wanted.devices ?? {}).map(([name, each]) => ({ name: `devices:${name}`, limit: limits.devices?.[name] ?? -1, used: used.devices?.[name] ?? 0, each }));
  const allowed = Math.min(
    ...devices.map(({ limit, used: taken, each }) => room(limit, taken, each)),
    wanted.maxCount,
    room(limits.instances, used.instances, 1),
    room(limits.cores, used.cores, wanted.vcpus),
    room(limits.ramMib, used.ramMib, wanted.ramMib),
  );
  if (allowed >= wanted.minCount) return { allowed };
  const count = wanted.maxCount;
  const resources = [
    { name: 'cores', limit: limits.cores, used: used.cores, requested: `${count * wanted.vcpus}`, over: room(limits.cores, used.cores, wanted.vcpus) < wanted.minCount },
    ...devices.map(({ each, ...device }) => ({ ...device, requested: `${count * each}`, over: room(device.limit, device.used, each) < wanted.minCount })),
    {
      name: 'instances', limit: limits.instances, used: used.instances, over: room(limits.instances, used.instances, 1) < wanted.minCount,
      requested: wanted.minCount === count ? `${count}` : `${wanted.minCount}-${count}`,
    },
    { name: 'ram', limit: limits.ramMib, used: used.ramMib, requested: `${count * wanted.ramMib}`, over: room(limits.ramMib, used.ramMib, wanted.ramMib) < wanted.minCount },
  ].filter(({ over }) => over);
  const list = (of: (resource: (typeof resources)[number]) => string | number): string => resources.map(of).join(', ');
  const names = list(({ name }) => name);
  return {
    refused: `Quota exceeded for ${names}: Requested ${list(({ requested }) => requested)}, but already used ${list((r) => r.used)} of ${list((r) => r.limit)} ${names}`,
    details: Object.fromEntries(resources.map((resource) => [resource.name, { limit: resource.limit, used: resource.used, requested: resource.requested }])),
  };
}
