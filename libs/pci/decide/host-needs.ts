/**
 * What the host itself stands on, read from the kernel's tables: mounted block devices, swap, and the interfaces of routes. Pure;
 * owns nothing. Which functions carry them is found out elsewhere.
 */

/** A block device that is in use: by its numbers, or by the name that the table has for it. */
export interface BlockNeed { readonly numbers: string | null; readonly source: string; readonly why: string; /** Where its disk cannot be told, every disk may be it. */ readonly orAll?: string }

const unescape = (text: string): string => text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** File systems that need no disk of this host, or one that the default route leads to. */
const NO_DISK: ReadonlySet<string> = new Set(['proc', 'sysfs', 'tmpfs', 'devtmpfs', 'devpts', 'cgroup', 'cgroup2', 'mqueue', 'debugfs', 'tracefs', 'securityfs', 'pstore', 'bpf', 'configfs', 'fusectl', 'hugetlbfs', 'autofs', 'binfmt_misc', 'rpc_pipefs', 'nfs', 'nfs4', 'nfsd', 'cifs', 'ceph', '9p', 'virtiofs', 'efivarfs', 'ramfs', 'nsfs', 'selinuxfs', 'fuse']);

/** Of /proc/self/mountinfo. A disk that cannot be told by its numbers (0:n: btrfs, zfs, overlay) is told by its source. */
export function mountedBlocks(mountinfo: string): readonly BlockNeed[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [, , numbers = '', , point = ''] = left.split(' ');
    const [type = '', source = ''] = right.split(' ');
    const where = unescape(point);
    if (numbers === '' || ((NO_DISK.has(type) || type.startsWith('fuse.')) && where !== '/')) return [];
    // A root in memory or over the network stands on no disk.
    if (NO_DISK.has(type)) return [];
    // Layers over another file system, which is mounted itself (or is out of sight, in a container).
    if (type === 'overlay' && where !== '/') return [];
    const boot = ['/', '/boot', '/boot/efi', '/usr', '/var'].includes(where);
    const orAll = where === '/' || type === 'zfs' ? { orAll: `${boot ? 'boot-disk' : 'mounted'}: which disk ${where} is on cannot be told (${unescape(source)})` } : {};
    // A data set's name is no disk's, whatever it is called.
    return [{ numbers: numbers.startsWith('0:') ? null : numbers, source: type === 'zfs' ? '' : unescape(source), why: boot ? `boot-disk: ${where} is on it` : `mounted: ${where} is on it`, ...orAll }];
  });
}

/** How the reason begins for which a card is needed by a bridge, a bond or a switch alone, or by a route that is not the default one. */
const PORT = 'in-use: port of ';
const WAY = 'in-use: routes over ';
export const asPort = (master: string): string => `${PORT}${master}`;
export const asWay = (network: string): string => `${WAY}${network}`;

/** The card itself is needed, and by nothing that the making of VFs takes away for good: it is given to nobody as a whole, and may have VFs that are. */
export const mayKeepVfs = (why: string): boolean => why.startsWith(PORT) || why.startsWith(WAY);

/** Of /proc/swaps: partitions; a file's disk is mounted anyway. */
export function swapBlocks(swaps: string): readonly BlockNeed[] {
  return swaps.split('\n').slice(1).flatMap((line) => {
    const [source = '', type = ''] = line.split(/\s+/);
    return type === 'partition' ? [{ numbers: null, source: unescape(source), why: 'swap' }] : [];
  });
}

const RTF_UP = 0x1;
const RTF_REJECT = 0x200;
/** Of the table's own entries for addresses of the host. */
const RTF_ANYCAST = 0x10_0000;
const RTF_LOCAL = 0x8000_0000;

/**
 * Interfaces that default routes leave by; those by which others are reached at all, be it in the same network: an address is enough; and all that any route
 * leaves by (for a tunnel, whose own way is one of them). What each interface has by itself, link-local and multicast, reaches nobody whom the host needs.
 */
export function routedInterfaces(route4: string, route6: string): { readonly byDefault: readonly string[]; readonly reaching: readonly string[]; readonly any: readonly string[] } {
  const byDefault = new Set<string>();
  const reaching = new Set<string>();
  const any = new Set<string>();
  for (const line of route4.split('\n').slice(1)) {
    const [name = '', destination = '', , flags = '', , , , mask = ''] = line.split(/\s+/);
    if (name === '' || name === 'lo' || name === '*') continue;
    any.add(name);
    // The first byte of the address is the last one here: 169.254/16, and 224/4.
    const isOwn = (destination.endsWith('FEA9') && mask.endsWith('FFFF')) || /E.$/.test(destination);
    if (!isOwn && (Number.parseInt(flags, 16) & RTF_REJECT) === 0) reaching.add(name);
    if (destination === '00000000' && mask === '00000000') byDefault.add(name);
    // Two halves instead of one whole: how tunnels take all traffic.
    if ((destination === '00000000' || destination === '00000080') && mask === '00000080') byDefault.add(name);
  }
  for (const line of route6.split('\n')) {
    const fields = line.trim().split(/\s+/);
    const name = fields[9] ?? '';
    if (name === '' || name === 'lo') continue;
    const flags = Number.parseInt(fields[8] ?? '0', 16);
    // The kernel keeps unreachable routes in the same table.
    if ((flags & RTF_UP) === 0 || (flags & RTF_REJECT) !== 0) continue;
    any.add(name);
    const destination = fields[0] ?? '';
    // Link-local: fe80::/10.
    if (!/^(fe[89ab]|ff)/.test(destination) && (flags & (RTF_LOCAL | RTF_ANYCAST)) === 0) reaching.add(name);
    if (/^0+$/.test(destination) && fields[1] === '00') byDefault.add(name);
  }
  return { byDefault: [...byDefault].sort(), reaching: [...reaching].sort(), any: [...any].sort() };
}
