// What operators have defined when a seed begins: classes of devices, a pool of each, and flavors that ask for them.

/** What each PF keeps, of four that it could. */
export const VFS = 3;
export const POOLS = { nics: '00000000-0000-4000-8000-0000000000d1', cards: '00000000-0000-4000-8000-0000000000d2', second: '00000000-0000-4000-8000-0000000000d3' };
const policy = { trust: false, spoofCheck: true, minTxMbps: 0, maxTxMbps: 0, vlans: [42], macPrefix: 'fa:16:3e' };
const pool = (id, name, className, mode, match) => ({ id, name, className, mode, match, vfCount: mode === 'vfs' ? VFS : null, driver: 'vfio-pci', policy, physicalNetwork: null, groupTogether: true });
export const NICS = pool(POOLS.nics, 'nics', 'fast-net', 'vfs', { vendor: ['8086'], product: ['1592'] });
export const CARDS = pool(POOLS.cards, 'cards', 'accel', 'functions', { vendor: ['10de'] });
const CLASSES = [{ name: 'fast-net', match: { pciClass: ['02'] }, sanitizer: 'reset' }, { name: 'accel', match: { vendor: ['10de'] }, sanitizer: 'quarantine' }];

/** Into a new database, before it is kept as the start. */
export async function stockDatabase(client) {
  for (const { name, match, sanitizer } of CLASSES) await client.query('INSERT INTO scheduler.device_classes (name, match, sanitizer) VALUES ($1, $2, $3)', [name, JSON.stringify(match), sanitizer]);
  for (const one of [NICS, CARDS]) await client.query('INSERT INTO scheduler.device_pools (id, name, class_name, mode, match, vf_count, policy) VALUES ($1, $2, $3, $4, $5, $6, $7)', [one.id, one.name, one.className, one.mode, JSON.stringify(one.match), one.vfCount, JSON.stringify(one.policy)]);
  await client.query(`INSERT INTO compute.flavors (id, name, vcpus, ram_mib, disk_gib, extra_specs) VALUES ('vf', 'n1.vf', 1, 128, 1, '{"pci_passthrough:alias": "fast-net:1"}'), ('vf2', 'n1.vf2', 1, 256, 1, '{"device:fast-net": "2,vlan=42,tag=data"}'), ('gpu', 'g1.one', 1, 512, 1, '{"device:accel": "1"}')`);
}
