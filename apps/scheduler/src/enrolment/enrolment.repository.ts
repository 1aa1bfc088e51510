import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { Ratios } from '../decide/capacity.js';
import type { HostFacts, Joining, TokenFacts } from '../decide/enrolment.js';
import { book } from '../hosts/hosts.repository.js';
import { LIMITS } from '../limits.js';

export interface NewTokens { hashes: string[]; availabilityZone: string; onlyWhenAsked: boolean; simulated: boolean; ttlS: number; createdBy: string; requestId: string; userName?: string | undefined; address?: string | undefined }

/** Enrolment tokens (their hashes only) and the rows of hosts that enter with them. */
@Injectable()
export class EnrolmentRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** One statement, however many. Answers when they expire, by the database's clock. */
  async createTokens(tokens: NewTokens): Promise<Date> {
    const { rows } = await this.db.pool.query<{ expires_at: Date }>(
      `WITH made AS (
        INSERT INTO scheduler.enrol_tokens (token_hash, availability_zone, only_when_asked, simulated, created_by, expires_at)
        SELECT hash, $2, $3, $4, $5, now() + make_interval(secs => $6) FROM unnest($1::text[]) AS t(hash) RETURNING expires_at
      ), booked AS (
        INSERT INTO scheduler.host_events (kind, message, request_id, user_id, user_name, address) VALUES ('tokens-created', $7, $8, $5, $9, $10)
      ) SELECT min(expires_at) AS expires_at FROM made`,
      [tokens.hashes, tokens.availabilityZone, tokens.onlyWhenAsked, tokens.simulated, tokens.createdBy, tokens.ttlS, `${tokens.hashes.length} for zone ${tokens.availabilityZone}`, tokens.requestId, tokens.userName ?? null, tokens.address ?? null],
    );
    return rows[0]!.expires_at;
  }

  transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    return this.db.transaction(work);
  }

  /** The token's row, held until the transaction ends: of many that use it at once, one goes first. */
  async lockToken(client: PoolClient, hash: string): Promise<TokenFacts | null> {
    const { rows } = await client.query<TokenFacts>(
      `SELECT availability_zone AS "availabilityZone", only_when_asked AS "onlyWhenAsked", simulated, expires_at <= now() AS expired, used_by_host AS "usedByHost"
       FROM scheduler.enrol_tokens WHERE token_hash = $1 FOR UPDATE`,
      [hash],
    );
    return rows[0] ?? null;
  }

  /** Hosts that share an id, a name or a key with the one that joins. */
  async alike(client: PoolClient, joining: Joining): Promise<HostFacts[]> {
    const { rows } = await client.query<HostFacts>(
      `SELECT id, name, public_nkey AS "publicNkey", availability_zone AS "availabilityZone", simulated
       FROM scheduler.hosts WHERE id = $1 OR name = $2 OR public_nkey = $3`,
      [joining.hostId, joining.name, joining.publicNkey],
    );
    return rows;
  }

  async enrol(client: PoolClient, joining: Joining & { agentVersion: string }, token: TokenFacts, ratios: Ratios): Promise<void> {
    await client.query(
      `WITH host AS (
        INSERT INTO scheduler.hosts (id, cell_id, name, availability_zone, only_when_asked, public_nkey, simulated, agent_version, cpu_ratio, ram_ratio, disk_ratio, adopted_incarnation)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
      ), capacity AS (
        INSERT INTO scheduler.host_capacity (host_id) VALUES ($1)
      ) INSERT INTO scheduler.host_beats (host_id) VALUES ($1)`,
      [joining.hostId, this.db.cellId, joining.name, token.availabilityZone, token.onlyWhenAsked, joining.publicNkey, joining.simulated, joining.agentVersion, ratios.cpu, ratios.ram, ratios.disk, this.db.incarnation],
    );
    await book(client, { hostId: joining.hostId, kind: 'joined', message: `as ${joining.name} in zone ${token.availabilityZone}` });
  }

  async useToken(client: PoolClient, hash: string, hostId: string): Promise<void> {
    await client.query('UPDATE scheduler.enrol_tokens SET used_at = now(), used_by_host = $2 WHERE token_hash = $1', [hash, hostId]);
  }

  /** Drops tokens that can answer no repeat any more. */
  async sweepTokens(): Promise<number> {
    const { count } = await this.db.prisma.enrolToken.deleteMany({ where: { expiresAt: { lt: new Date(Date.now() - LIMITS.tokenDays * 86_400_000) } } });
    return count;
  }
}
