/**
 * The embedded PostgreSQL: makes a cluster on first use and says how to run it. Never connects to it (libs/db does),
 * so that the supervisor stays small. A first start that is cut off begins anew; a finished cluster is never remade.
 */
export { postgresUrl, prepareEmbeddedPostgres, type EmbeddedPostgres, type EmbeddedPostgresOptions } from './embedded.js';
