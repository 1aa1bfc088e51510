// Runs seeds in one process: `worker.mjs <from> <step> <count> [options as JSON]`, with a connection to PostgreSQL as its
// standard input. One line of JSON a seed.
import { TWICE } from './bugs.mjs';
import { useProduct } from './loader/register.mjs';

const [from, step, count, json = '{}'] = process.argv.slice(2);
const options = JSON.parse(json);
useProduct([...(options.mutation?.file ? [options.mutation, ...(options.mutation.also ?? [])] : []), ...(options.twice ? TWICE : [])]);
const { Wire } = await import('./world/wire.mjs');
const client = new Wire();
// Another worker's bug may have left functions broken.
for (const { text } of client.query('SELECT text FROM sim.originals ORDER BY text').rows) client.run(text);
if (options.mutation?.sql) client.run(options.mutation.sql);
// Another worker's last seed may have left the database in another incarnation.
client.query('SELECT sim.bring_back_start()');
const hosts = (client.query('SELECT id, name FROM scheduler.hosts ORDER BY number')).rows;
const cell = (client.query('SELECT * FROM control.cell')).rows[0];
const { takeOverClocks } = await import('./world/time.mjs');
const { runSeed } = await import('./seed.mjs');
const { Store } = await import('./world/database.mjs');
const { conditionOf } = await import('./world/virtual-fs.mjs');
const realNow = process.hrtime.bigint;
takeOverClocks();
process.on('unhandledRejection', (error) => { process.stderr.write(`unhandled: ${error?.stack ?? error}\n`); });
const run = (more) => runSeed({ store: Store, client, hosts, cell, disks: conditionOf, ...options, ...(options.log && { log: (line) => process.stderr.write(`${line}\n`) }), ...more });

/** The tour once without a crash, then with one before and after each commit and each act on a machine, in turn. */
async function laws(seed) {
  const calm = await run({ seed, faults: false, way: seed });
  let total = { ...calm, runs: 1 };
  for (const [what, count] of [['commit', calm.commits], ['act', calm.steps]]) {
    for (let n = 1; n <= count && total.ok; n += options.every ?? 1) {
      for (const when of ['before', 'after']) {
        if (!total.ok) break;
        const result = await run({ seed, faults: false, way: seed, crashAt: { what, when, n } });
        total = { ...total, runs: total.runs + 1, events: total.events + result.events, statements: total.statements + result.statements, virtualS: total.virtualS + result.virtualS, ok: result.ok, broken: result.broken.map((one) => ({ ...one, text: `with a crash ${when} ${what} ${n}: ${one.text}` })) };
        process.stdout.write(`${JSON.stringify({ alive: true })}\n`);
      }
    }
  }
  return total;
}

for (let n = 0; n < Number(count); n += 1) {
  const seed = Number(from) + n * Number(step);
  const began = realNow();
  const result = options.laws ? await laws(seed) : await run({ seed });
  process.stdout.write(`${JSON.stringify({ ...result, ms: Number((realNow() - began) / 1_000_000n) })}\n`);
  if (options.stopAtFirst && !result.ok) break;
}
process.exit(0);
