/** Builders and real servers for tests. Never imported by product code. */
export { startTestDatabase, type TestDatabase } from './postgres.js';
