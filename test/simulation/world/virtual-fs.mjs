// The agents' disks: a file system in memory behind the few calls they make. Waiting calls take virtual time (a slow disk
// takes more) and may fail; what is written stays when a process dies, what was not yet written does not.
import { currentWorld } from './time.mjs';

/** path -> text */
let files = new Map();
/** Called with (path, text or undefined) after every change: the checkers' eyes on the disks. */
let watcher = () => {};
/** By the disk's owner (second part of the path): { slowMs, failing }. */
let conditions = new Map();

export function freshDisks(watch) {
  files = new Map();
  conditions = new Map();
  watcher = watch;
}
export const conditionOf = (owner) => { if (!conditions.has(owner)) conditions.set(owner, { slowMs: 0, failing: 0 }); return conditions.get(owner); };
export const everything = () => files;
const ownerOf = (path) => path.split('/')[2];

function put(path, text) { files.set(path, text); watcher(path, text); }
function drop(path) { if (files.delete(path)) watcher(path, undefined); }
function move(from, to) { const text = files.get(from); if (text === undefined) throw gone(from); files.delete(from); put(to, text); watcher(from, undefined); }
const gone = (path) => Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
const below = (path) => [...new Set([...files.keys()].filter((each) => each.startsWith(`${path}/`)).map((each) => each.slice(path.length + 1).split('/')[0]))].sort();

function later(path, work) {
  const world = currentWorld();
  const { slowMs, failing } = conditionOf(ownerOf(path));
  return new Promise((resolve, reject) => {
    world.after(world.random.between(0.05, 0.5) + (slowMs > 0 ? world.random.between(0, slowMs) : 0), () => {
      if (failing > 0 && world.random.chance(failing)) { reject(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })); return; }
      try { resolve(work()); } catch (error) { reject(error); }
    });
  });
}

// node:fs/promises
export const mkdir = (path) => later(path, () => undefined);
export const readdir = (path) => later(path, () => below(path));
export const rm = (path) => later(path, () => drop(path));
export const rename = (from, to) => later(from, () => move(from, to));
export const readFile = (path) => later(path, () => { if (!files.has(path)) throw gone(path); return files.get(path); });
export const writeFile = (path, text) => later(path, () => put(path, String(text)));
export const open = (path, flags) => later(path, () => {
  if (flags === 'w') put(path, '');
  return { writeFile: (text) => later(path, () => put(path, String(text))), sync: () => later(path, () => undefined), close: async () => undefined };
});
export const stat = (path) => later(path, () => { if (!files.has(path) && below(path).length === 0) throw gone(path); return { size: files.get(path)?.length ?? 0, isDirectory: () => !files.has(path) }; });
export const access = stat;
const refuse = (name) => () => { throw new Error(`the simulated disk has no ${name}`); };
export const [chmod, chown, copyFile, link, symlink, statfs, truncate, unlink, utimes, lstat, opendir] = ['chmod', 'chown', 'copyFile', 'link', 'symlink', 'statfs', 'truncate', 'unlink', 'utimes', 'lstat', 'opendir'].map(refuse);
// node:fs
export const mkdirSync = () => undefined;
export const readdirSync = (path) => below(path);
export const readFileSync = (path) => { if (!files.has(path)) throw gone(path); return files.get(path); };
export const renameSync = move;
export const rmSync = drop;
export const writeFileSync = (path, text) => put(path, String(text));
export const appendFileSync = (path, text) => put(path, `${files.get(path) ?? ''}${text}`);
export const existsSync = (path) => files.has(path) || below(path).length > 0;
export const [createReadStream, createWriteStream, statSync, constants, unlinkSync, openSync, closeSync, watch] = ['createReadStream', 'createWriteStream', 'statSync', 'constants', 'unlinkSync', 'openSync', 'closeSync', 'watch'].map(refuse);
