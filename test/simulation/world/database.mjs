// PostgreSQL, the real one, behind one door: one statement at a time, in the simulation's order and at its time. What the
// product commits is committed; a seed begins with every table as it was when the database was made (`sim.bring_back_start`). Its
// clock and its transaction ids are the simulation's (schema `sim`).
import { EPOCH } from './time.mjs';

export const SIM_SCHEMA = `
  CREATE SCHEMA IF NOT EXISTS sim;
  CREATE OR REPLACE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT coalesce(nullif(current_setting('sim.now', true), ''), '2030-01-01Z')::timestamptz $$;
  CREATE OR REPLACE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT coalesce(nullif(current_setting('sim.now', true), ''), '2030-01-01Z')::timestamptz $$;
  CREATE OR REPLACE FUNCTION sim.pg_current_xact_id() RETURNS xid8 LANGUAGE sql STABLE AS $$ SELECT coalesce(nullif(current_setting('sim.xid', true), ''), '10')::xid8 $$;
  CREATE OR REPLACE FUNCTION sim.pg_current_snapshot() RETURNS pg_snapshot LANGUAGE sql STABLE AS $$ SELECT (coalesce(nullif(current_setting('sim.xid', true), ''), '10') || ':' || coalesce(nullif(current_setting('sim.xid', true), ''), '10') || ':')::pg_snapshot $$;
  GRANT USAGE ON SCHEMA sim TO PUBLIC`;

/**
 * After the migrations: no table writes a log, and sim.keep_NAME and sim.bring_back_NAME copy all tables away and back; sequences
 * go on. To the mark it goes behind the back of keys and triggers (of which every plan has to be made anew), to the start with them.
 */
export const SIM_COPIES = `
  DO $do$
  DECLARE
    one record; copy text; kept text; gone text; back text; columns text; left_over integer; is_empty boolean;
  BEGIN
    FOR round IN 1..20 LOOP
      left_over := 0;
      FOR one IN SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname IN ('scheduler', 'compute', 'control') LOOP
        BEGIN
          EXECUTE format('ALTER TABLE %s SET UNLOGGED', one.name);
        EXCEPTION WHEN invalid_table_definition THEN left_over := left_over + 1;
        END;
      END LOOP;
      EXIT WHEN left_over = 0;
    END LOOP;
    FOREACH copy IN ARRAY ARRAY['start', 'mark'] LOOP
      kept := ''; gone := ''; back := '';
      FOR one IN
        WITH RECURSIVE deep AS (
          SELECT c.oid, 0 AS depth FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname IN ('scheduler', 'compute', 'control')
          UNION SELECT k.conrelid, d.depth + 1 FROM deep d JOIN pg_constraint k ON k.confrelid = d.oid AND k.contype = 'f' AND k.conrelid <> k.confrelid
        )
        SELECT oid, oid::regclass AS name, replace(oid::regclass::text, '.', '_') AS flat, max(depth) AS depth FROM deep GROUP BY oid ORDER BY max(depth), 2::text
      LOOP
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute WHERE attrelid = one.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
        EXECUTE format('CREATE UNLOGGED TABLE sim.%I AS SELECT %s FROM %s WITH NO DATA', copy || '_' || one.flat, columns, one.name);
        kept := kept || format('DELETE FROM sim.%I; INSERT INTO sim.%1$I SELECT %s FROM %s;', copy || '_' || one.flat, columns, one.name);
        -- What follows from claims goes with them, and by nothing else.
        CONTINUE WHEN copy = 'start' AND one.name IN ('scheduler.claimed_cpus'::regclass, 'scheduler.device_claims'::regclass);
        gone := format('DELETE FROM %s;', one.name) || gone;
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', one.name) INTO is_empty;
        CONTINUE WHEN copy = 'start' AND is_empty;
        back := back || format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM sim.%I;', one.name, columns, copy || '_' || one.flat);
      END LOOP;
      IF copy = 'start' THEN gone := 'DELETE FROM scheduler.claims;' || gone; END IF;
      EXECUTE format('CREATE FUNCTION sim.keep_%s() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN %s END $f$', copy, kept);
      EXECUTE format('CREATE FUNCTION sim.bring_back_%s() RETURNS void LANGUAGE plpgsql %s AS $f$ BEGIN %s END $f$', copy, CASE copy WHEN 'mark' THEN 'SET session_replication_role = replica' ELSE '' END, gone || back);
    END LOOP;
  END $do$`;

/** As the real client says it when a server goes away. */
const away = () => Object.assign(new Error('terminating connection due to administrator command'), { code: '57P01' });
/** Functions of the database that write claims. */
const WRITES_CLAIMS = /scheduler\.claim_exactly/;
const isWrite = (text) => WRITES_CLAIMS.test(text) || /\b(?:INSERT|UPDATE|DELETE)\b/.test(text) && !/^\s*SELECT\b(?!.*\bFOR\b)/s.test(text);

const MOMENT = "SELECT set_config('sim.now', $1, false), set_config('sim.xid', $2, false)";
/** Statement -> it only reads rows: no clock, no lot, no lock, so that the moment needs not be told for it. */
const timeless = new Map();
const isTimeless = (text) => {
  if (!timeless.has(text)) timeless.set(text, !WRITES_CLAIMS.test(text) && !/\b(?:INSERT|UPDATE|DELETE|MERGE|SHARE|CURRENT_\w+|LOCALTIME\w*|control\.|\w*(?:now|timestamp|nextval|random|gen_\w*|pg_\w*)\s*\()/i.test(text));
  return timeless.get(text);
};
/** What seeds leave behind in tables and indexes is swept up after so many. */
const SWEEP_EVERY = 25;
let seeds = 0;

export class Store {
  xid = 100;
  down = false;
  /** How many times slower than it should be. */
  slowness = 1;
  statements = 0;
  commits = 0;
  /** { before(process, text), after(process, text) } -> may kill the process; read(process, text): it has read, outside of a transaction. */
  hook = {};
  /** Called after each commit, before anybody hears of it. */
  committed = async () => {};
  /** Asked before and after each commit, with its number: does its process die here? */
  counted = () => false;
  #queue = [];
  #holder;
  #busy = false;
  /** Of the transaction that is open: 'asked' for, 'begun', or 'failed' and only to be ended. */
  #stage;
  /** Table -> Map(text -> rows): what checkers saw there last. */
  #seen = new Map();
  constructor(world, client) { this.world = world; this.client = client; }

  async begin() {
    if (++seeds % SWEEP_EVERY === 0) this.client.run('VACUUM');
    this.client.query('SELECT sim.bring_back_start()');
  }
  async end() { if (this.open) this.#rollBack(); }

  /** A transaction is open: who looks now would see half of it. */
  get open() { return this.#holder !== undefined; }
  /** For checkers: at once, outside of every order. */
  async look(text, values = []) { return this.lookNow(text, values); }
  lookNow(text, values = []) { return this.client.query({ text, values }).rows; }
  /** The same, read anew only when a statement that names `table` has changed something since. */
  async lookAgain(table, text) {
    if (!this.#seen.has(table)) this.#seen.set(table, new Map());
    const mine = this.#seen.get(table);
    if (!mine.has(text)) mine.set(text, await this.look(text));
    return mine.get(text);
  }

  database(process, cell) {
    const query = (config, values) => this.#ask(process, typeof config === 'string' ? { text: config, values } : config);
    const isReachable = () => !this.down;
    let last = Promise.resolve();
    return {
      pool: { query }, prisma: prismaOf(query), cellId: cell.cell_id, cloudId: cell.cloud_id, incarnation: cell.incarnation, get reachable() { return isReachable(); },
      // One after another in a process: there is one real transaction under all of them, and no lock would part them.
      transaction: (work) => { const mine = last.then(() => this.#transact(process, work)); last = mine.catch(() => undefined); return mine; },
      close: async () => undefined,
    };
  }

  async #transact(process, work) {
    // A connection of its own: what its process says on others meanwhile is no part of it, and what it says after its end is refused.
    const session = { process };
    const say = (statement) => this.#ask(process, statement, session);
    await say({ text: 'BEGIN' });
    try {
      const result = await work({ query: (config, values) => say(typeof config === 'string' ? { text: config, values } : config) });
      await say({ text: 'COMMIT' });
      return result;
    } catch (error) {
      await say({ text: 'ROLLBACK' }).catch(() => undefined);
      throw error;
    }
  }

  /** The state that a replica has got so far: what comes after it may be lost. @returns how many moves are under way in it */
  mark() {
    return this.#alone(async () => {
      this.client.query('SELECT sim.keep_mark()');
      return Number((await this.look('SELECT count(*) FROM compute.migrations WHERE finished_at IS NULL OR other_host_id IS NOT NULL'))[0].count);
    });
  }
  /** The replica takes over, in a new incarnation, as its operator has to see to. @returns control.cell */
  failOver() {
    return this.#alone(async () => {
      this.#seen.clear();
      this.client.query('SELECT sim.bring_back_mark()');
      this.client.query(this.#moment(), 'SELECT control.raise_incarnation()');
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
    // Who only stands still gets its answers, and a refusal of what it says in the transaction that was ended.
    if (process.state === 'dead') this.#queue = this.#queue.filter((each) => each.process !== process);
    if (this.#holder?.process !== process) return;
    this.#rollBack();
    this.#pump();
  }

  #ask(process, statement, session) {
    return new Promise((resolve, reject) => {
      if (process.state === 'dead') return;
      this.world.after(this.world.random.between(0.1, 1.2) * this.slowness, () => {
        this.#queue.push({ process, session, statement, resolve, reject });
        this.#pump();
      }, null);
    });
  }

  /** Takes the first whose turn it is: while a transaction is open, its own only. */
  #pump() {
    if (this.#busy) return;
    const at = this.#queue.findIndex((each) => this.#holder === undefined || this.#holder === each.session);
    if (at < 0) return;
    const [job] = this.#queue.splice(at, 1);
    this.#busy = true;
    this.world.after(0, async () => {
      try { await this.#run(job); } finally { this.#busy = false; }
      this.#pump();
    }, null);
  }

  async #run({ process, session, statement, resolve, reject, work }) {
    if (work !== undefined) { await work(); return; }
    const { text } = statement;
    if (process.state === 'dead') { await this.dropped(process); return; }
    const deliver = (task) => this.world.after(this.world.random.between(0.05, 0.5), task, process);
    if (this.down || (session !== undefined && text !== 'BEGIN' && this.#holder !== session)) {
      if (this.#holder !== undefined && this.#holder === session) this.#rollBack();
      deliver(() => reject(away()));
      return;
    }
    const writes = text === 'COMMIT' || (this.#holder === undefined && isWrite(text));
    if (writes && this.counted(process, 'before', this.commits + 1)) { await this.dropped(process); return; }
    if (writes && this.hook.before?.(process, text) === 'dead') { await this.dropped(process); return; }
    this.statements += 1;
    try {
      const result = await this.#execute(session, statement);
      if (writes) {
        this.commits += 1;
        this.world.trace(`${process.name} wrote ${result.rowCount ?? 0}`);
        await this.committed(process);
        if (this.counted(process, 'after', this.commits)) return;
        if (this.hook.after?.(process, text) === 'dead') return;
      }
      if (session === undefined && !writes) this.hook.read?.(process, text);
      deliver(() => resolve(result));
    } catch (error) {
      if (error.severity === undefined) throw error;
      deliver(() => reject(error));
    }
  }

  async #execute(session, { text, values }) {
    if (text === 'BEGIN') {
      this.#holder = session;
      this.#stage = 'asked';
      this.xid += 1;
      return { rows: [] };
    }
    if (text === 'COMMIT') {
      if (this.#stage === 'begun') this.client.query('COMMIT');
      this.#holder = this.#stage = undefined;
      return { rows: [] };
    }
    if (text === 'ROLLBACK') { this.#rollBack(); return { rows: [] }; }
    if (this.#stage === 'failed') throw Object.assign(new Error('current transaction is aborted, commands ignored until end of transaction block'), { severity: 'ERROR', code: '25P02' });
    if (this.#holder === undefined) this.xid += 1;
    // A transaction begins with its first statement, in one breath.
    const before = this.#stage === 'asked' ? ['BEGIN'] : [];
    if (this.#stage === 'asked') this.#stage = 'begun';
    if (!isTimeless(text)) before.push(this.#moment());
    try {
      const result = this.client.query(...before, { text, values });
      if (!isTimeless(text)) for (const table of this.#seen.keys()) if (text.includes(table) || WRITES_CLAIMS.test(text)) this.#seen.delete(table);
      // An order that was not asked for is anybody's: here always the same.
      if (result.rows.length > 1 && typeof result.rows[0].id === 'string' && !/ORDER BY[^)]*$/.test(text)) result.rows.sort((a, b) => (a.id < b.id ? -1 : 1));
      return result;
    } catch (error) {
      if (this.#stage === 'begun') { this.#undo(); this.#stage = 'failed'; }
      throw error;
    }
  }

  #rollBack() {
    if (this.#stage === 'begun') this.#undo();
    this.#holder = this.#stage = undefined;
  }
  #undo() { this.client.query('ROLLBACK'); this.#seen.clear(); }
  #moment() { return { text: MOMENT, values: [new Date(EPOCH + this.world.now).toISOString(), String(this.xid)] }; }
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
