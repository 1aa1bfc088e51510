// The wire to PostgreSQL, spoken without waiting in between: a simulation does one thing at a time, and a statement that is
// answered before the next line runs costs a third of one that goes through an event loop. The connection is made and
// authenticated by `pg` in the parent, and handed over as this process's standard input, which is a socket that blocks.
import { readSync, writeSync } from 'node:fs';
import pg from 'pg';
import utils from 'pg/lib/utils.js';

const SOCKET = 0;
const types = pg.types;

export class Wire {
  #out = Buffer.allocUnsafe(1 << 16);
  #at = 0;
  #in = Buffer.allocUnsafe(1 << 18);
  #from = 0;
  #to = 0;
  /** Statement's text -> what the server knows of it: { name, fields }. */
  #known = new Map();

  /** Plain text without values, perhaps several statements; for what runs seldom. */
  run(text) {
    this.#message(0x51, () => { this.#string(text); });
    this.#send();
    const problem = this.#answer([]);
    if (problem) throw problem;
  }

  /**
   * Each { text, values } in turn, in one transaction of its own unless one is open; each is planned once per connection.
   * @returns of the last: { rows, rowCount }
   */
  query(...statements) {
    const asked = statements.map((each) => (typeof each === 'string' ? { text: each, values: [] } : each));
    for (const { text } of asked) if (!this.#known.has(text)) this.#prepare(text);
    const results = asked.map(({ text, values = [] }) => {
      const known = this.#known.get(text);
      this.#bind(known.name, values);
      return { fields: known.fields, rows: [], rowCount: null };
    });
    this.#message(0x53, () => {});
    this.#send();
    const problem = this.#answer(results);
    if (problem) throw problem;
    return results.at(-1);
  }

  #prepare(text) {
    const known = { name: `q${this.#known.size}`, fields: [] };
    this.#message(0x50, () => { this.#string(known.name); this.#string(text); this.#int16(0); });
    this.#message(0x44, () => { this.#byte(0x53); this.#string(known.name); });
    this.#message(0x53, () => {});
    this.#send();
    const problem = this.#answer([], (fields) => { known.fields = fields; });
    if (problem) throw problem;
    this.#known.set(text, known);
  }

  #bind(name, values) {
    this.#message(0x42, () => {
      this.#byte(0);
      this.#string(name);
      this.#int16(0);
      this.#int16(values.length);
      for (const each of values) {
        const value = utils.prepareValue(each);
        if (value === null || value === undefined) { this.#int32(-1); continue; }
        const text = Buffer.isBuffer(value) ? value.toString('latin1') : value;
        if (text !== value) throw new Error('the simulation sends no bytes');
        const length = Buffer.byteLength(text);
        this.#room(length + 4);
        this.#int32(length);
        this.#at += this.#out.write(text, this.#at);
      }
      this.#int16(0);
    });
    this.#message(0x45, () => { this.#byte(0); this.#int32(0); });
  }

  #room(bytes) {
    if (this.#at + bytes + 16 <= this.#out.length) return;
    const more = Buffer.allocUnsafe((this.#out.length + bytes) * 2);
    this.#out.copy(more, 0, 0, this.#at);
    this.#out = more;
  }
  #byte(value) { this.#room(1); this.#out[this.#at++] = value; }
  #int16(value) { this.#room(2); this.#at = this.#out.writeInt16BE(value, this.#at); }
  #int32(value) { this.#room(4); this.#at = this.#out.writeInt32BE(value, this.#at); }
  #string(text) { this.#room(Buffer.byteLength(text) + 1); this.#at += this.#out.write(text, this.#at); this.#out[this.#at++] = 0; }
  #message(kind, body) {
    this.#byte(kind);
    const length = this.#at;
    this.#int32(0);
    body();
    this.#out.writeInt32BE(this.#at - length, length);
  }

  #send() {
    for (let done = 0; done < this.#at;) done += writeSync(SOCKET, this.#out, done, this.#at - done);
    this.#at = 0;
  }

  /** Reads one message into the buffer. @returns where it begins; it is complete */
  #next() {
    for (;;) {
      const have = this.#to - this.#from;
      const need = have >= 5 ? this.#in.readInt32BE(this.#from + 1) + 1 : 5;
      if (have >= need && have >= 5) { const at = this.#from; this.#from += need; return at; }
      if (this.#from > 0) { this.#in.copyWithin(0, this.#from, this.#to); this.#to = have; this.#from = 0; }
      if (need > this.#in.length) { const more = Buffer.allocUnsafe(need * 2); this.#in.copy(more, 0, 0, this.#to); this.#in = more; }
      const got = readSync(SOCKET, this.#in, this.#to, this.#in.length - this.#to, null);
      if (got === 0) throw new Error('the database has closed the connection');
      this.#to += got;
    }
  }

  /** Until the server is ready for the next question. @returns the error that it told */
  #answer(results, described) {
    let problem;
    let n = 0;
    for (;;) {
      const at = this.#next();
      switch (this.#in[at]) {
        case 0x5a: return problem;
        case 0x44: if (results[n]) results[n].rows.push(this.#row(results[n].fields, at + 5)); break;
        case 0x43: if (results[n]) { const said = /(\d+)$/.exec(this.#in.latin1Slice(at + 5, this.#from - 1)); results[n].rowCount = said ? Number(said[1]) : null; } n += 1; break;
        case 0x54: described?.(this.#fields(at + 5)); break;
        case 0x45: problem = this.#error(at + 5); break;
        default: break;
      }
    }
  }

  #row(fields, at) {
    const row = {};
    let place = at + 2;
    for (const { name, parse } of fields) {
      const length = this.#in.readInt32BE(place);
      place += 4;
      if (length < 0) { row[name] = null; continue; }
      row[name] = parse(this.#in.utf8Slice(place, place + length));
      place += length;
    }
    return row;
  }

  #fields(at) {
    let place = at + 2;
    return Array.from({ length: this.#in.readInt16BE(at) }, () => {
      const end = this.#in.indexOf(0, place);
      const name = this.#in.utf8Slice(place, end);
      const type = this.#in.readInt32BE(end + 7);
      place = end + 19;
      return { name, parse: types.getTypeParser(type, 'text') };
    });
  }

  #error(at) {
    const told = {};
    for (let place = at; this.#in[place] !== 0;) {
      const end = this.#in.indexOf(0, place + 1);
      told[String.fromCharCode(this.#in[place])] = this.#in.utf8Slice(place + 1, end);
      place = end + 1;
    }
    return Object.assign(new Error(told.M), { severity: told.S, code: told.C, detail: told.D, hint: told.H, constraint: told.n, table: told.t, schema: told.s, column: told.c });
  }
}
