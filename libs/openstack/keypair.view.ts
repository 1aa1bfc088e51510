import type { Keypair } from '#libs/contracts';
import { microsNoZone } from './dates.js';
import { nextLinks, type LinkBase, type PageAsked } from './links.js';
import type { Microversion } from './microversion.js';
import { has } from './version-table.js';

export interface KeypairContext { readonly version: Microversion; readonly links: LinkBase }

const brief = (keypair: Keypair, version: Microversion) => ({
  name: keypair.name,
  public_key: keypair.publicKey,
  fingerprint: keypair.fingerprint,
  ...(has(version, 'keypair.type') && { type: keypair.type }),
});

/** The private key is in this answer or nowhere. */
export const keypairCreated = (keypair: Keypair, privateKey: string | null, version: Microversion) => ({
  keypair: { ...(privateKey !== null && { private_key: privateKey }), ...brief(keypair, version), user_id: keypair.userId },
});

export const keypairDetail = (keypair: Keypair, version: Microversion) => ({
  keypair: {
    ...brief(keypair, version),
    user_id: keypair.userId,
    id: keypair.id,
    created_at: microsNoZone(keypair.createdAt),
    updated_at: null,
    deleted: false,
    deleted_at: null,
  },
});

/** Each entry is wrapped once more in `keypair`. The next link comes with paging (2.35), not before. */
export function keypairList(keypairs: readonly Keypair[], page: PageAsked, { version, links }: KeypairContext) {
  const next = has(version, 'keypair.paging') ? nextLinks(links, 'os-keypairs', page, keypairs.map(({ name }) => name)) : undefined;
  return {
    keypairs: keypairs.map((keypair) => ({ keypair: brief(keypair, version) })),
    ...(next && { keypairs_links: next }),
  };
}
