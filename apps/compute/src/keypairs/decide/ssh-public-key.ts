/** Reads a line of OpenSSH's public key format (RFC 4253, 5656, 8709; PROTOCOL.u2f), strictly. Pure. */

export type ParsedKey = { line: string; type: string; blob: Uint8Array } | { problem: string };

/** Fields of the blob after the type's name; `check` says what is wrong with their contents. */
interface Shape { fields: number; check(fields: Uint8Array[]): string | undefined }

const point = (curve: string, bytes: number, extra = 0): Shape => ({
  fields: 2 + extra,
  check: ([name, q]) => {
    if (name === undefined || text(name) !== curve) return `its curve is not ${curve}`;
    return q?.length === 2 * bytes + 1 && q[0] === 4 ? undefined : 'its point is malformed';
  },
});
const edwards = (extra = 0): Shape => ({ fields: 1 + extra, check: ([q]) => (q?.length === 32 ? undefined : 'an Ed25519 key has 32 bytes') });

const SHAPES: Readonly<Record<string, Shape>> = {
  'ssh-rsa': {
    fields: 2,
    check: ([e, n]) => {
      if (e === undefined || n === undefined || !isPositive(e) || !isPositive(n)) return 'its numbers are malformed';
      const bits = bitLength(n);
      return bits < 1024 || bits > 16_384 ? `an RSA key has 1024 to 16384 bits, this one has ${bits}` : undefined;
    },
  },
  'ssh-ed25519': edwards(),
  'sk-ssh-ed25519@openssh.com': edwards(1),
  'ecdsa-sha2-nistp256': point('nistp256', 32),
  'ecdsa-sha2-nistp384': point('nistp384', 48),
  'ecdsa-sha2-nistp521': point('nistp521', 66),
  'sk-ecdsa-sha2-nistp256@openssh.com': point('nistp256', 32, 1),
};

export function parseSshPublicKey(input: string): ParsedKey {
  const line = input.trim();
  if (line === '') return { problem: 'it is empty' };
  if (/[^\x20-\x7e\t\u0080-\uffff]/.test(line)) return { problem: 'a public key is one line' };
  if (line.startsWith('-----BEGIN')) return { problem: 'this is PEM; the one-line OpenSSH form is needed (ssh-keygen -y, ssh-keygen -i)' };
  const [type = '', base64 = ''] = line.split(/[ \t]+/);
  const shape = Object.hasOwn(SHAPES, type) ? SHAPES[type] : undefined;
  if (shape === undefined) return { problem: `'${type.slice(0, 40)}' is not a key type; known are ${Object.keys(SHAPES).join(', ')}` };
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64) || base64 === '') return { problem: 'failed to generate fingerprint: the key is not base64' };
  const blob = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const fields = split(blob);
  if (fields === undefined) return { problem: 'failed to generate fingerprint: the key is cut off or has bytes to spare' };
  const [name, ...rest] = fields;
  if (name === undefined || text(name) !== type) return { problem: `the key inside is not of type ${type}` };
  if (rest.length !== shape.fields) return { problem: `a key of type ${type} has ${shape.fields} fields, this one ${rest.length}` };
  const problem = shape.check(rest);
  return problem === undefined ? { line, type, blob } : { problem };
}

/** Length-prefixed fields up to the very end, or undefined. */
function split(blob: Uint8Array): Uint8Array[] | undefined {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const fields: Uint8Array[] = [];
  let at = 0;
  while (at < blob.length) {
    if (at + 4 > blob.length) return undefined;
    const end = at + 4 + view.getUint32(at);
    if (end > blob.length) return undefined;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

const text = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes);
/** Not negative, not zero, without needless leading zeros. */
const isPositive = (number: Uint8Array): boolean => number.length > 0 && (number[0] as number) < 0x80 && (number[0] !== 0 || ((number[1] ?? 0) >= 0x80));
const bitLength = (number: Uint8Array): number => {
  const significant = number[0] === 0 ? number.subarray(1) : number;
  return (significant.length - 1) * 8 + (32 - Math.clz32(significant[0] ?? 0));
};
