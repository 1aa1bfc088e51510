/**
 * Has compute book that a server's device has gone or is out of order, so that the server's people read of it: once at least, and compute
 * books each once. Owns scheduler.device_troubles: what is written there, in the transaction of what happened, is asked again until it is
 * answered; if the process dies in between, it is asked once more.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { bookDeviceTroubles, type InputOf } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { asSkyError } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { LIMITS } from '../limits.js';
import { Periodic } from '../periodic.js';

export interface Trouble { hostId: string; hostName: string; instanceId: string; identity: string; kind: string; message: string }
type Told = InputOf<typeof bookDeviceTroubles>['troubles'];

@Injectable()
export class DeviceTrouble implements OnModuleInit, OnApplicationShutdown {
  readonly #task: Periodic;
  /** Failures in a row, and until when nothing is tried because of them. */
  #failures = 0;
  #notBeforeMs = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(@Inject(BUS) private readonly bus: Bus, @Inject(DATABASE) private readonly db: Database, @Inject(LOGGER) private readonly logger: Logger) {
    this.#task = new Periodic('troubles with devices', LIMITS.troublesPollMs, () => (performance.now() < this.#notBeforeMs ? Promise.resolve() : this.deliver()), logger);
  }

  onModuleInit(): void { this.#task.start(LIMITS.troublesPollMs * Math.random()); }

  async onApplicationShutdown(): Promise<void> { await this.#task.stop(); }

  /** Within the transaction of what happened. What is beyond the most of one report stands in the devices' own history. */
  async write(client: PoolClient, troubles: readonly Trouble[]): Promise<void> {
    if (troubles.length === 0) return;
    await client.query(`
      INSERT INTO scheduler.device_troubles (host_id, host_name, instance_id, identity, kind, message)
      SELECT t."hostId", t."hostName", t."instanceId", t.identity, t.kind, t.message
      FROM jsonb_to_recordset($1::jsonb) AS t("hostId" uuid, "hostName" text, "instanceId" uuid, identity text, kind text, message text)`,
    [JSON.stringify(troubles.slice(0, LIMITS.troublesTold).map((one) => ({ ...one, message: one.message.slice(0, 500) })))]);
  }

  wake(): void { this.#task.wake(); }

  /** In the order in which it happened. Several schedulers may say the same: that is known there. */
  deliver(): Promise<void> {
    const turn = this.#turn.then(() => this.#deliver());
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #deliver(): Promise<void> {
    let [after, singles, refused] = ['0', 0, 0];
    for (;;) {
      const { rows } = await this.db.pool.query<Omit<Told[number], 'at'> & { seq: string; at: Date }>(
        'SELECT seq, id, at, host_id AS "hostId", host_name AS "hostName", instance_id AS "instanceId", identity, kind, message FROM scheduler.device_troubles WHERE seq > $1 ORDER BY seq LIMIT $2',
        [after, singles > 0 ? 1 : LIMITS.troublesAtOnce]);
      if (rows.length === 0) break;
      singles = Math.max(0, singles - 1);
      try {
        await this.bus.ask(bookDeviceTroubles, { troubles: rows.map(({ seq: _seq, at, ...row }) => ({ ...row, at: at.toISOString() })) });
        this.#failures = 0;
      } catch (error) {
        if (['unavailable', 'timeout'].includes(asSkyError(error).kind)) return this.#later(error);
        // One that compute does not take keeps nobody waiting: one by one then, and itself again later, until it is too old.
        if (rows.length > 1) singles = rows.length;
        else [after, refused] = [rows[0]!.seq, refused + 1];
        if (refused > LIMITS.troublesAtOnce) return this.#later(error);
        continue;
      }
      await this.db.pool.query('DELETE FROM scheduler.device_troubles WHERE id = ANY ($1::uuid[])', [rows.map(({ id }) => id)]);
    }
    if (refused > 0) this.#later(`${refused} are not taken`);
  }

  #later(error: unknown): void {
    this.#failures += 1;
    const ms = Math.min(LIMITS.troublesRetryMostMs, LIMITS.retryMs * 2 ** Math.min(this.#failures - 1, 16));
    this.#notBeforeMs = performance.now() + ms * (0.5 + Math.random() / 2);
    this.logger[this.#failures === 3 ? 'warn' : 'debug']({ err: error, failures: this.#failures }, 'compute does not book trouble with devices; it is asked again');
  }
}
