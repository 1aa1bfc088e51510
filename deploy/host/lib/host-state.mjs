/**
 * What is known about a compute host on this machine: HOST_DIR/host.json, and whether the init it names still lives.
 * A pid is believed only together with its start time, and a zombie counts as gone.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';

/** A failure explained in one line. */
export class HostError extends Error {}

/**
 * @typedef {object} HostState
 * @property {string} name hostname inside
 * @property {string} uuid
 * @property {number} pid of the host's init, as seen from outside
 * @property {string} startTime of that process: field 22 of /proc/PID/stat, in clock ticks since boot
 * @property {string} bootId new at every start of the host
 * @property {string} socket libvirt's unix socket, reachable from outside and inside
 * @property {string} runDir
 * @property {'kvm'|'qemu'} virtType
 * @property {{ outside: string, inside: string }} data folder for disks, images and logs, by both its names
 */

const stateFile = (hostDir) => join(hostDir, 'host.json');

/** @returns {Promise<HostState | null>} */
export async function readState(hostDir) {
  try {
    return JSON.parse(await readFile(stateFile(hostDir), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw new HostError(`${stateFile(hostDir)} cannot be read (${error.message}): remove it if the host is not running`);
  }
}

export async function writeState(hostDir, state) {
  await writeFile(`${stateFile(hostDir)}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  await rename(`${stateFile(hostDir)}.new`, stateFile(hostDir));
}

export async function removeState(hostDir) {
  await rm(stateFile(hostDir), { force: true });
}

/** @returns {Promise<string | null>} the start time of a living process, null for none and for a zombie */
export async function startTimeOf(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The program's name, in parentheses, may hold spaces: count from behind it. State is field 3, start time field 22.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.length < 20 || fields[0] === 'Z' || fields[0] === 'X' ? null : fields[19];
}

export async function isAlive(state) {
  return state !== null && (await startTimeOf(state.pid)) === state.startTime;
}

/** Asks libvirtd which authentications it offers: the first call of its protocol, answered only once its drivers are up. */
export function libvirtAnswers(socketPath, timeoutMs) {
  const PROGRAM = 0x20008086;
  const AUTH_LIST = 66;
  const call = Buffer.alloc(28);
  [call.length, PROGRAM, 1, AUTH_LIST, 0, 1, 0].forEach((word, i) => call.writeUInt32BE(word, i * 4));
  return new Promise((resolve) => {
    const socket = connect(socketPath, () => socket.write(call));
    const done = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => done(false));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
    socket.once('data', () => done(true));
  });
}

/** Runs a command's main function; an explained error becomes one line and exit code 1. */
export async function runCommand(main) {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`error: ${error instanceof HostError ? error.message : error.stack}\n`);
    process.exitCode = 1;
  }
}

/** SIGKILL; a process that is gone already is all the better. */
export function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
