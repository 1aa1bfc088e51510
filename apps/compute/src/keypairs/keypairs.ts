import { Injectable } from '@nestjs/common';
import type { Caller, createKeypair, deleteKeypair, getKeypair, Keypair, listKeypairs, OutputOf, ReceivedBy } from '#libs/contracts';
import { badRequest, conflict, forbidden, notFound, overQuota, unsupported } from '#libs/errors';
import { projectOf } from '../instances/caller-project.js';
import { ProjectLimitsCopy } from '../quota/project-limits.js';
import { KeypairsRepository } from './keypairs.repository.js';
import { importCertificate } from './certificate.js';
import { importSshKey, makeSshKey } from './ssh-key.js';

/** Users' SSH keys and certificates. They belong to users, not to projects; the limit on their number is the project's, as Nova's. */
@Injectable()
export class Keypairs {
  constructor(private readonly keypairs: KeypairsRepository, private readonly limits: ProjectLimitsCopy) {}

  async create({ caller, userId = caller.userId, name, type, publicKey }: ReceivedBy<typeof createKeypair>): Promise<OutputOf<typeof createKeypair>> {
    if (!/^[A-Za-z0-9_@. -]+$/.test(name) || name.trim() === '') throw badRequest('Keypair data is invalid: Keypair name contains unsafe characters');
    mayTouch(caller, userId);
    if (type === 'x509' && publicKey === null) throw unsupported('x509 key pairs are not made here: bring a certificate of your own as public_key.');
    const { keypairs: max } = await this.limits.of(projectOf(caller));
    const key: { publicKey: string; fingerprint: string; privateKey?: string } = publicKey === null ? await makeSshKey() : type === 'x509' ? importCertificate(publicKey) : importSshKey(publicKey);
    const made = await this.keypairs.create({ userId, name, type, fingerprint: key.fingerprint, publicKey: key.publicKey }, max, caller);
    if (made === 'exists') throw conflict(`Key pair '${name}' already exists.`);
    if (made === 'full') throw overQuota(`Quota exceeded, too many key pairs: ${max} are allowed.`);
    return { keypair: made, privateKey: key.privateKey ?? null };
  }

  async list({ caller, userId, limit, marker }: ReceivedBy<typeof listKeypairs>): Promise<OutputOf<typeof listKeypairs>> {
    mayTouch(caller, userId);
    if (marker !== undefined && !(await this.keypairs.find(userId, marker))) throw badRequest(`Marker ${marker} could not be found.`);
    const found = await this.keypairs.list(userId, limit, marker);
    return { keypairs: found.slice(0, limit), more: found.length > limit };
  }

  async get({ caller, userId, name }: ReceivedBy<typeof getKeypair>): Promise<Keypair> {
    mayTouch(caller, userId);
    const keypair = await this.keypairs.find(userId, name);
    if (!keypair) throw notFound(`Keypair ${name} not found for user ${userId}`);
    return keypair;
  }

  async delete({ caller, userId, name }: ReceivedBy<typeof deleteKeypair>): Promise<Record<string, never>> {
    mayTouch(caller, userId);
    if (!(await this.keypairs.delete(userId, name, caller))) throw notFound(`Keypair ${name} not found for user ${userId}`);
    return {};
  }
}

function mayTouch(caller: Caller, userId: string): void {
  if (userId !== caller.userId && !caller.isAdmin) throw forbidden("Only an administrator may see or change another user's key pairs.");
}
