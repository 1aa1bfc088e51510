/**
 * The way to PostgreSQL, the only truth: migrations, one role per app, pools, transactions, Prisma's client.
 * Never reached by the agent, the console or a decide/ folder.
 */
export { HOT, SCHEMA_OWNERS, type Database, type SchemaOwner } from './database.js';
export { DATABASE } from './tokens.js';
export { openDatabase, type ConnectOptions } from './open.js';
export { bootstrapDatabase, type BootstrapOptions } from './bootstrap.js';
export { roleOf } from './roles.js';
export { Prisma, type PrismaClient } from './generated/client.js';
export type { PoolClient } from 'pg';
export { raiseIncarnation } from './restored.js';
