// PostgreSQL, the real one, behind one door: one statement at a time, in the simulation's order and at its time. A seed
// runs in one real transaction that is rolled back at its end, so that seeds leave nothing behind; each of the product's
// statements or transactions is a savepoint in it. Its clock and its transaction ids are the simulation's (schema `sim`).
import { EPOCH } from './time.mjs';

export const SIM_SCHEMA = `
  CREATE SCHEMA IF NOT EXISTS sim;
  CREATE OR REPLACE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT coalesce(nullif(current_setting('sim.now', true), ''), '2030-01-01Z')::timestamptz $$;
  CREATE OR REPLACE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT coalesce(nullif(current_setting('sim.now', true), ''), '2030-01-01Z')::timestamptz $$;
  CREATE OR REPLACE FUNCTION sim.pg_current_xact_id() RETURNS xid8 LANGUAGE sql STABLE AS $$ SELECT coalesce(nullif(current_setting('sim.xid', true), ''), '10')::xid8 $$;
  CREATE OR REPLACE FUNCTION sim.pg_current_snapshot() RETURNS pg_snapshot LANGUAGE sql STABLE AS $$ SELECT (x || ':' || x || ':')::pg_snapshot FROM (SELECT coalesce(nullif(current_setting('sim.xid', true), ''), '10') AS x) one $$;
  GRANT USAGE ON SCHEMA sim TO PUBLIC`;

/** As the real client says it when a server goes away. */
const away = () => Object.assign(new Error('terminating connection due to administrator command'), { code: '57P01' });
const isWrite = (text) => /\bscheduler\.claim_exactly\b/.test(text) || /\b(?:INSERT|UPDATE|DELETE)\b/.test(text) && !/^\s*SELECT\b(?!.*\bFOR\b)/s.test(text);

/** Statement -> its name on the connection, where its plan is kept. */
const names = new Map();

export class Store {
  xid = 100;
  down = false;
  /** How many times slower than it should be. */
  slowness = 1;
  statements = 0;
  commits = 0;
  /** { before(process, text), after(process, text) } -> may kill the process. */
  hook = {};
  /** Called after each commit, before anybody hears of it. */
  committed = async () => {};
  /** Asked before and after each commit, with its number: does its process die here? */
  counted = () => false;
  #queue = [];
  #holder;
  #busy = false;
  constructor(world, client) { this.world = world; this.client = client; }

  async begin() { await this.client.query('BEGIN; SAVEPOINT s'); }
  async end() { await this.client.query('ROLLBACK'); }

  /** A transaction is open: who looks now would see half of it. */
  get open() { return this.#holder !== undefined; }
  /** For checkers: at once, outside of every order. */
  async look(text, values = []) { return (await this.client.query({ text, values })).rows; }

  database(process, cell) {
    const query = (config, values) => this.#ask(process, typeof config === 'string' ? { text: config, values } : config);
    const isReachable = () => !this.down;
    let last = Promise.resolve();
    return {
      pool: { query }, prisma: prismaOf(query), cellId: cell.cell_id, cloudId: cell.cloud_id, incarnation: cell.incarnation, get reachable() { return isReachable(); },
      // One after another in a process: there is one real transaction under all of them, and no lock would part them.
      transaction: (work) => { const mine = last.then(() => this.#transact(process, query, work)); last = mine.catch(() => undefined); return mine; },
      close: async () => undefined,
    };
  }

  async #transact(process, query, work) {
    await this.#ask(process, { text: 'BEGIN' });
    try {
      const result = await work({ query });
      await this.#ask(process, { text: 'COMMIT' });
      return result;
    } catch (error) {
      await this.#ask(process, { text: 'ROLLBACK' }).catch(() => undefined);
      throw error;
    }
  }

  /** The state that a replica has got so far: what comes after it may be lost. @returns how many moves are under way in it */
  mark() {
    return this.#alone(async () => {
      await this.client.query('RELEASE SAVEPOINT s; SAVEPOINT f; SAVEPOINT s');
      return Number((await this.look('SELECT count(*) FROM compute.migrations WHERE finished_at IS NULL OR other_host_id IS NOT NULL'))[0].count);
    });
  }
  /** The replica takes over, in a new incarnation, as its operator has to see to. @returns control.cell */
  failOver() {
    return this.#alone(async () => {
      await this.client.query(`ROLLBACK TO SAVEPOINT f; ${this.#moment()}; SELECT control.raise_incarnation(); SAVEPOINT s`);
      return (await this.look('SELECT * FROM control.cell'))[0];
    });
  }
  /** Between two transactions, and told in the simulation's order. */
  #alone(work) {
    return new Promise((resolve) => {
      this.#queue.push({ process: undefined, work: async () => { const result = await work(); this.world.after(0, () => resolve(result), null); } });
      this.#pump();
    });
  }

  /** The server ends what a process that is gone (or stands still for too long) has begun. */
  async dropped(process) {
    this.#queue = this.#queue.filter((each) => each.process !== process);
    if (this.#holder !== process) return;
    await this.client.query('ROLLBACK TO SAVEPOINT t');
    this.#holder = undefined;
    this.#pump();
  }

  #ask(process, statement) {
    return new Promise((resolve, reject) => {
      if (process.state === 'dead') return;
      this.world.after(this.world.random.between(0.1, 1.2) * this.slowness, () => {
        this.#queue.push({ process, statement, resolve, reject });
        this.#pump();
      }, null);
    });
  }

  /** Takes the first whose turn it is: while a transaction is open, its owner's only. */
  #pump() {
    if (this.#busy) return;
    const at = this.#queue.findIndex((each) => this.#holder === undefined || this.#holder === each.process);
    if (at < 0) return;
    const [job] = this.#queue.splice(at, 1);
    this.#busy = true;
    this.world.after(0, async () => {
      try { await this.#run(job); } finally { this.#busy = false; }
      this.#pump();
    }, null);
  }

  async #run({ process, statement, resolve, reject, work }) {
    if (work !== undefined) { await work(); return; }
    const { text } = statement;
    if (process.state === 'dead') { await this.dropped(process); return; }
    const deliver = (task) => this.world.after(this.world.random.between(0.05, 0.5), task, process);
    if (this.down) {
      if (this.#holder === process) { await this.client.query('ROLLBACK TO SAVEPOINT t'); this.#holder = undefined; }
      deliver(() => reject(away()));
      return;
    }
    const writes = text === 'COMMIT' || (this.#holder === undefined && isWrite(text));
    if (writes && this.counted(process, 'before', this.commits + 1)) { await this.dropped(process); return; }
    if (writes && this.hook.before?.(process, text) === 'dead') { await this.dropped(process); return; }
    this.statements += 1;
    try {
      const result = await this.#execute(process, statement);
      if (writes) {
        this.commits += 1;
        this.world.trace(`${process.name} wrote ${result.rowCount ?? 0}`);
        await this.committed(process);
        if (this.counted(process, 'after', this.commits)) return;
        if (this.hook.after?.(process, text) === 'dead') return;
      }
      deliver(() => resolve(result));
    } catch (error) {
      if (error.severity === undefined) throw error;
      deliver(() => reject(error));
    }
  }

  async #execute(process, { text, values }) {
    if (text === 'BEGIN') {
      this.#holder = process;
      this.xid += 1;
      await this.client.query(`${this.#moment()}; SAVEPOINT t; SAVEPOINT u`);
      return { rows: [] };
    }
    if (text === 'COMMIT' || text === 'ROLLBACK') {
      if (this.#holder === process) await this.client.query(text === 'COMMIT' ? 'RELEASE SAVEPOINT t' : 'ROLLBACK TO SAVEPOINT t');
      this.#holder = undefined;
      return { rows: [] };
    }
    if (this.#holder === undefined) this.xid += 1;
    const point = this.#holder === undefined ? 's' : 'u';
    const prelude = this.client.query(`RELEASE SAVEPOINT ${point}; SAVEPOINT ${point}; ${this.#moment()}`);
    let name = names.get(text);
    if (name === undefined) { name = `q${names.size}`; names.set(text, name); }
    try {
      const [, result] = await Promise.all([prelude, this.client.query({ name, text, values })]);
      // An order that was not asked for is anybody's: here always the same.
      if (result.rows.length > 1 && typeof result.rows[0].id === 'string' && !/ORDER BY[^)]*$/.test(text)) result.rows.sort((a, b) => (a.id < b.id ? -1 : 1));
      return result;
    } catch (error) {
      await this.client.query(`ROLLBACK TO SAVEPOINT ${point}`);
      throw error;
    }
  }

  #moment() { return `SELECT set_config('sim.now', '${new Date(EPOCH + this.world.now).toISOString()}', false), set_config('sim.xid', '${this.xid}', false)`; }
}

/** The few rows that the product reads through Prisma. */
const prismaOf = (query) => {
  const flavor = (row) => row && ({
    id: row.id, name: row.name, vcpus: row.vcpus, ramMib: row.ram_mib, diskGib: row.disk_gib, ephemeralGib: row.ephemeral_gib, swapMib: row.swap_mib, rxtxFactor: row.rxtx_factor,
    isPublic: row.is_public, disabled: row.disabled, description: row.description, extraSpecs: row.extra_specs, createdAt: row.created_at,
  });
  const flavors = { findUnique: async ({ where }) => flavor((await query('SELECT * FROM compute.flavors WHERE id = $1', [where.id])).rows[0]) ?? null };
  return { flavor: flavors, keypair: { count: async () => 0, findUnique: async () => null } };
};
