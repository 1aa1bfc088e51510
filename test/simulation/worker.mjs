// Runs seeds in one process: `worker.mjs <postgres url> <from> <step> <count> [options as JSON]`. One line of JSON a seed.
import { useProduct } from './loader/register.mjs';

const [url, from, step, count, json = '{}'] = process.argv.slice(2);
const options = JSON.parse(json);
useProduct(options.mutation);
const { default: pg } = await import('pg');
const client = new pg.Client({ connectionString: url, pipeline: true });
await client.connect();
const hosts = (await client.query('SELECT id, name FROM scheduler.hosts ORDER BY number')).rows;
const cell = (await client.query('SELECT * FROM control.cell')).rows[0];
const { takeOverClocks } = await import('./world/time.mjs');
const { runSeed } = await import('./seed.mjs');
const { Store } = await import('./world/database.mjs');
const { conditionOf } = await import('./world/virtual-fs.mjs');
const realNow = process.hrtime.bigint;
takeOverClocks();
process.on('unhandledRejection', (error) => { process.stderr.write(`unhandled: ${error?.stack ?? error}\n`); });
for (let n = 0; n < Number(count); n += 1) {
  const seed = Number(from) + n * Number(step);
  const began = realNow();
  const result = await runSeed({ seed, store: Store, client, hosts, cell, disks: conditionOf, ...options, ...(options.log && { log: (line) => process.stderr.write(`${line}\n`) }) });
  process.stdout.write(`${JSON.stringify({ ...result, ms: Number((realNow() - began) / 1_000_000n) })}\n`);
  if (options.stopAtFirst && !result.ok) break;
}
await client.end();
process.exit(0);
