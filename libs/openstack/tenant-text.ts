/** What hosts say of a server, as those read it who may not know hosts. Pure. */

/** A device by what identifies it (a PF's own MAC, a serial number, a slot), as libs/pci names it. */
const IDENTITY = /(?:(\s)|\b)(?:mac|serial|slot):[^\s,;()]*[^\s,;().:]/g;
/** Where it stands: domain, bus, slot and function. */
const ADDRESS = /\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b/gi;

/**
 * The text without what tells of the host's hardware: devices are known by their class and their place in the guest.
 * @example forTenants('The device fast-net mac:0c:42:00:00:02:00/vf:1 stood at 0000:41:10.2.') // 'The device fast-net stood at ….'
 */
export const forTenants = (text: string): string => text.replace(IDENTITY, '').replace(ADDRESS, '…');
