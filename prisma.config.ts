import { defineConfig } from 'prisma/config';

/** One file per owning app in prisma/schema; migrations are plain SQL, applied by libs/db at start. */
export default defineConfig({ schema: 'prisma/schema', migrations: { path: 'prisma/migrations' } });
