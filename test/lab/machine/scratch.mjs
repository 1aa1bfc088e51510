/**
 * Scratch folders that carry their maker's pid in their name, so that what a killed run left behind is found by the next one. Removal never
 * crosses into another file system.
 */
import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../deploy/images/lib/report.mjs';

/** @returns {string} a new folder `PARENT/NAME-PID-xxxxxx` */
export const scratchFolder = (parent, name) => mkdtempSync(join(parent, `${name}-${process.pid}-`));

/** Removes a folder and what is in it on its own file system. */
export const removeFolder = (folder) => run('rm', ['-rf', '--one-file-system', folder]);

/** @returns {string[]} folders of that name whose makers are gone */
export function abandoned(parent, name) {
  const pattern = new RegExp(`^${name}-(\\d+)-\\w{6}$`);
  return readdirSync(parent).filter((entry) => { const pid = pattern.exec(entry)?.[1]; return pid !== undefined && !isAlive(Number(pid)); }).map((entry) => join(parent, entry));
}

function isAlive(pid) {
  try { return process.kill(pid, 0); } catch (error) { return error.code === 'EPERM'; }
}
