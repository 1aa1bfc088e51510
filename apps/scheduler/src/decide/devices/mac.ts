/**
 * The MAC of a hold: the pool's prefix, and behind it what device, generation and salt make of it. The same for the same; that no
 * two holds have one is the database's to keep: who meets another comes again with another salt. Pure.
 */
export function macOf(prefix: string, deviceId: string, generation: number, salt: number): string {
  const given = prefix.split(':');
  const text = `${deviceId} ${generation} ${salt}`;
  let [high, low] = [0x811c9dc5, 0x9e3779b9];
  for (let at = 0; at < text.length; at += 1) {
    high = Math.imul(high ^ text.charCodeAt(at), 0x01000193);
    low = Math.imul(low ^ text.charCodeAt(at), 0x85ebca6b) ^ (low >>> 13);
  }
  high = mixed(high ^ low);
  const bytes = [high, high >>> 8, high >>> 16].map((byte) => (byte & 0xff).toString(16).padStart(2, '0'));
  return [...given, ...bytes].slice(0, 6).join(':');
}

function mixed(number: number): number {
  let lot = number;
  lot = Math.imul(lot ^ (lot >>> 16), 0x85ebca6b);
  lot = Math.imul(lot ^ (lot >>> 13), 0xc2b2ae35);
  return (lot ^ (lot >>> 16)) >>> 0;
}
