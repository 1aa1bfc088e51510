/**
 * virt-probe.mjs: which virt type really works on this machine?
 *
 * Boots the probe guest once under plain QEMU, with KVM and, if that does not bring its words on the serial line in time,
 * emulated. Nothing less is proof: there are machines whose /dev/kvm opens, whose libvirt calls a guest "running", and
 * on which no ordinary kernel gets anywhere.
 * Prints {"virtType": "kvm"|"qemu", "evidence": string, "tookMs": number, "kvmReason": string|null}; kvmReason says why
 * KVM was not taken. The caller remembers the answer. A crash here leaves nothing behind: QEMU dies with us.
 */
import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { probeGuest } from '../images/probe-guest/build.mjs';
import { BuildError, runMain } from '../images/lib/report.mjs';

const QEMU = 'qemu-system-x86_64';
const ALIVE = 'skylite-probe: alive';
const DEADLINE_MS = { kvm: 8_000, tcg: 60_000 };
const KEPT_BYTES = 64 * 1024;

await runMain(async () => {
  const begun = Date.now();
  const guest = await probeGuest();
  const kvm = await tryKvm(guest);
  const answer = kvm.evidence ? { virtType: 'kvm', evidence: kvm.evidence } : await emulated(guest, kvm.reason);
  process.stdout.write(`${JSON.stringify({ ...answer, tookMs: Date.now() - begun, kvmReason: kvm.reason ?? null })}\n`);
});

async function tryKvm(guest) {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch (error) {
    return { reason: error.code === 'ENOENT' ? 'there is no /dev/kvm' : `/dev/kvm cannot be opened (${error.code})` };
  }
  return boot(guest, 'kvm', 'host');
}

async function emulated(guest, kvmReason) {
  const { evidence, reason } = await boot(guest, 'tcg', 'max');
  if (evidence) return { virtType: 'qemu', evidence };
  throw new BuildError(`no guest boots here: KVM: ${kvmReason}; emulated: ${reason}`, 'run qemu-system-x86_64 by hand to see why');
}

/** @returns {Promise<{ evidence?: string, reason?: string }>} what the guest said, or why it said nothing */
function boot({ kernel, initrd }, accelerator, cpu) {
  return new Promise((resolve) => {
    const begun = Date.now();
    // setpriv: QEMU does not outlive us, however we end.
    const command = [
      ...['--pdeathsig', 'KILL', QEMU, '-accel', accelerator, '-cpu', cpu, '-machine', 'q35', '-m', '128', '-smp', '1'],
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio', '-sandbox', 'on,spawn=deny'],
      ...['-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 quiet panic=-1'],
    ];
    const qemu = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, LC_ALL: 'C' } });
    let serial = '';
    let errors = '';
    let settled = false;
    const seconds = () => `${((Date.now() - begun) / 1000).toFixed(1)} s`;
    const settle = (result) => {
      if (settled) return;
      settled = true;
      clearTimeout(deadline);
      qemu.kill('SIGKILL');
      resolve(result);
    };
    const deadline = setTimeout(
      () => settle({ reason: `the guest said nothing within ${DEADLINE_MS[accelerator] / 1000} s` }),
      DEADLINE_MS[accelerator],
    );
    qemu.stdout.on('data', (chunk) => {
      serial = (serial + chunk).slice(-KEPT_BYTES);
      if (serial.includes(ALIVE)) settle({ evidence: `probe guest said "${ALIVE}" after ${seconds()} under ${accelerator}` });
    });
    qemu.stderr.on('data', (chunk) => {
      errors = (errors + chunk).slice(-KEPT_BYTES);
      const internal = /KVM internal error[^\n]*/.exec(errors);
      if (internal) settle({ reason: internal[0] });
    });
    qemu.once('error', (error) => settle({ reason: `setpriv cannot be started (${error.code}): install util-linux` }));
    qemu.once('close', () => settle({ reason: errors.trim().split('\n').at(-1) || 'QEMU ended and the guest had said nothing' }));
  });
}
