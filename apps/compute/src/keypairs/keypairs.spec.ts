import { createPrivateKey, createPublicKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseSshPublicKey } from './decide/ssh-public-key.js';
import { importSshKey, makeSshKey } from './ssh-key.js';

// Made with ssh-keygen; fingerprints by `ssh-keygen -E md5 -l`.
const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDdGa46zwnUEMkfbQbHB7sURUB6P0TbchIiERUHhyo1j me@here';
const ECDSA = 'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOtv4IlFi7MQEEOmDbriI/F5KBaxGxOWQmj/VR7fzWcGKHCpO6HKnkF4hrrXXkv4Bfzof3ueGhZKlStEWvby8hc= me@here';

describe('importSshKey', () => {
  it('knows the kinds that OpenSSH makes, with its fingerprints', () => {
    expect(importSshKey(`${ED25519}\n`)).toEqual({ publicKey: ED25519, fingerprint: '4e:f9:32:b6:7a:ee:f4:03:9f:3d:83:46:ba:c4:da:28' });
    expect(importSshKey(ECDSA).fingerprint).toBe('3a:c3:6e:e0:bf:9b:7d:ec:b9:87:81:60:5a:9d:72:4c');
  });
  it.each([
    ['', 'it is empty'], ['hello', 'not a key type'], ['ssh-ed25519', 'not base64'], ['ssh-ed25519 !!!!', 'not base64'], ['__proto__ AAAA', 'not a key type'],
    [`ssh-rsa ${ED25519.split(' ')[1]}`, 'not of type ssh-rsa'], [`${ED25519}\nssh-rsa AAAA`, 'one line'], ['-----BEGIN PUBLIC KEY-----', 'PEM'],
    ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==', 'cut off'],
  ])('refuses %j', (line, why) => expect(() => importSshKey(line)).toThrow(why));
  it('refuses every cut and every addition', () => {
    const blob = atob(ED25519.split(' ')[1] as string);
    fc.assert(fc.property(fc.integer({ min: 0, max: blob.length - 1 }), (length) => 'problem' in parseSshPublicKey(`ssh-ed25519 ${btoa(blob.slice(0, length))}`)));
    expect(parseSshPublicKey(`ssh-ed25519 ${btoa(`${blob}\0`)}`)).toHaveProperty('problem');
  });
});

describe('makeSshKey', () => {
  it('makes a pair whose halves belong together', async () => {
    const key = await makeSshKey();
    expect(key.privateKey).toContain('BEGIN RSA PRIVATE KEY');
    expect(importSshKey(key.publicKey)).toEqual({ publicKey: key.publicKey, fingerprint: key.fingerprint });
    const { n } = createPublicKey(createPrivateKey(key.privateKey)).export({ format: 'jwk' });
    expect(Buffer.from(key.publicKey.split(' ')[1] as string, 'base64').subarray(-256).toString('base64url')).toBe(n);
  });
});
