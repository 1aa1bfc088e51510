import { readFile } from 'node:fs/promises';
import { escapeIdentifier, escapeLiteral, type Client } from 'pg';
import { SCHEMA_OWNERS, type SchemaOwner } from './database.js';

/** `appenders` may add rows and neither see, change nor remove any; `callers` may call the schema's functions. */
type Ownership = Record<string, { owner: string; readers: string[]; appenders?: string[]; callers?: string[] }>;

/**
 * One database role per app, with rights on its own schema only (prisma/ownership.json). Idempotent; run after
 * migrating. Passwords come from the caller and are set each time, so a rotated secret takes effect at start. Run it in a transaction.
 */
export async function ensureRoles(client: Client, passwords: Record<SchemaOwner, string>, ownershipFile: string): Promise<void> {
  const ownership = JSON.parse(await readFile(ownershipFile, 'utf8')) as Ownership;
  // A statement that fails is logged with its text, and these have passwords in them.
  await client.query("SET LOCAL log_min_error_statement = 'panic'");
  await client.query('REVOKE ALL ON SCHEMA public FROM PUBLIC');
  for (const app of SCHEMA_OWNERS) {
    const role = escapeIdentifier(roleOf(app));
    const known = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [roleOf(app)]);
    await client.query(`${known.rowCount ? 'ALTER' : 'CREATE'} ROLE ${role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 100 PASSWORD ${escapeLiteral(passwords[app])}`);
    for (const [schema, { owner, readers, appenders = [], callers = [] }] of Object.entries(ownership)) {
      const name = escapeIdentifier(schema);
      if (owner === app) {
        await client.query(`GRANT USAGE ON SCHEMA ${name} TO ${role}`);
        await client.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${name} TO ${role}`);
        await client.query(`GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${name} TO ${role}`);
        await client.query(`GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${name} TO ${role}`);
      } else if (readers.includes(app)) {
        await client.query(`GRANT USAGE ON SCHEMA ${name} TO ${role}`);
        await client.query(`GRANT SELECT ON ALL TABLES IN SCHEMA ${name} TO ${role}`);
      }
      if (appenders.includes(app)) {
        await client.query(`GRANT USAGE ON SCHEMA ${name} TO ${role}`);
        await client.query(`GRANT INSERT ON ALL TABLES IN SCHEMA ${name} TO ${role}`);
      }
      if (callers.includes(app)) {
        await client.query(`GRANT USAGE ON SCHEMA ${name} TO ${role}`);
        await client.query(`GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${name} TO ${role}`);
      }
    }
  }
}

/** The Postgres role of an app. */
export const roleOf = (app: SchemaOwner): string => `app_${app}`;
