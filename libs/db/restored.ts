import { Client } from 'pg';
import { LIMITS } from './limits.js';

/**
 * Says that this database was restored from a backup: raises its incarnation, so that hosts only report and take nothing new
 * until they are adopted. As the database's owner. May be repeated; every time is another incarnation.
 * @returns the new incarnation
 */
export async function raiseIncarnation(url: string): Promise<number> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: LIMITS.connectMs, application_name: 'skylite restored' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<{ incarnation: number }>('SELECT control.raise_incarnation() AS incarnation');
    return rows[0]!.incarnation;
  } finally {
    await client.end();
  }
}
