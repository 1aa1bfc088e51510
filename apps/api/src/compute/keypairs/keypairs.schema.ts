import { z } from 'zod';
import { has } from '#libs/openstack';
import { many, name, nonNegative } from '../../http/input-types.js';
import { versioned } from '../../http/read-input.js';

const keypairName = z.intersection(name, z.string().regex(/^[_\- a-zA-Z0-9]+$/));
const keypairNameFrom292 = z.intersection(name, z.string().regex(new RegExp(String.raw`^[_\-\@\. a-zA-Z0-9]+$`)));
const publicKey = z.string().max(16_384);

export const CreateKeypairBody = versioned((version) => z.strictObject({
  keypair: z.strictObject({
    name: has(version, 'keypair.import-only') ? keypairNameFrom292 : keypairName,
    public_key: has(version, 'keypair.import-only') ? publicKey : publicKey.optional(),
    ...(has(version, 'keypair.type') && { type: z.enum(['ssh', 'x509']).optional() }),
    ...(has(version, 'keypair.user-id') && { user_id: z.string().min(1).max(64).optional() }),
  }),
}));

export const ListKeypairsQuery = z.object({ user_id: many, limit: nonNegative, marker: many }).partial();
export const KeypairQuery = z.object({ user_id: many }).partial();
