import { badRequest, overQuota } from '#libs/errors';
import { whyNotMetadata } from './decide/metadata.js';

/** @param limits of the server's project */
export function demandMetadata(metadata: Readonly<Record<string, string>>, { metadataItems }: { metadataItems: number }): void {
  const refusal = whyNotMetadata(metadata, metadataItems);
  if (refusal !== undefined) throw 'quota' in refusal ? overQuota(refusal.quota) : badRequest(refusal.wrong);
}
