import type { PciError } from './api.js';
import type { KernelOp } from './kernel-port.js';

export interface ErrnoRow {
  readonly op: KernelOp; readonly errno: string; readonly code: PciError['code'];
  /** What it means, and what cures it. */
  readonly sentence: string; readonly cure: string;
}

/** What the kernel means by its answers. The same number means different things for different writes, so the write is part of the key. */
export const ERRNO_TABLE: readonly ErrnoRow[] = [
  { op: 'numvfs', errno: 'EBUSY', code: 'busy', sentence: 'The function has VFs already, and their number can only go through 0.', cure: 'Set the number to 0 while none of its VFs is claimed or used, then to the new one.' },
  { op: 'numvfs', errno: 'ERANGE', code: 'range', sentence: 'The driver allows fewer VFs.', cure: 'Ask for no more than the function\'s total number of VFs.' },
  { op: 'numvfs', errno: 'EINVAL', code: 'invalid', sentence: 'The kernel takes no such number of VFs.', cure: 'Give a whole number from 0 to the function\'s total.' },
  { op: 'numvfs', errno: 'ENOENT', code: 'no-driver', sentence: 'The function has no driver that makes VFs.', cure: 'Bind it to its own driver, or to pci-pf-stub.' },
  { op: 'numvfs', errno: 'ENOMEM', code: 'other', sentence: 'The bus has no room (bus numbers or memory windows) for so many VFs.', cure: 'Ask for fewer, or turn on SR-IOV and "above 4G decoding" in the firmware, or boot with pci=realloc.' },
  { op: 'numvfs', errno: 'ENOSPC', code: 'other', sentence: 'The bus has no room for so many VFs.', cure: 'Ask for fewer, or turn on SR-IOV in the firmware.' },
  { op: 'numvfs', errno: 'EIO', code: 'other', sentence: 'The driver could not make all the VFs.', cure: 'Look at the kernel\'s log.' },
  { op: 'numvfs', errno: 'EPERM', code: 'in-use', sentence: 'The driver keeps its VFs because one of them is given to a guest.', cure: 'Stop the guest first.' },
  { op: 'autoprobe', errno: 'EINVAL', code: 'invalid', sentence: 'Autoprobe is 0 or 1.', cure: 'Give one of them.' },
  { op: 'override', errno: 'EINVAL', code: 'invalid', sentence: 'That is no name of a driver.', cure: 'Give the driver\'s name as /sys/bus/pci/drivers has it.' },
  { op: 'unbind', errno: 'ENODEV', code: 'not-bound', sentence: 'The function is not bound to that driver.', cure: 'Look again: something else has bound or unbound it.' },
  { op: 'unbind', errno: 'ENOENT', code: 'not-bound', sentence: 'There is no such driver any more.', cure: 'Look again.' },
  { op: 'bind', errno: 'EBUSY', code: 'busy', sentence: 'The function is bound already, be it to that very driver.', cure: 'Look again; unbind it first if another driver has it.' },
  { op: 'bind', errno: 'ENODEV', code: 'no-device', sentence: 'There is no function at that address, or neither its id nor its override matches the driver.', cure: 'Look again, and set the driver override first.' },
  { op: 'bind', errno: 'ENOENT', code: 'no-driver', sentence: 'There is no such driver.', cure: 'Load its module.' },
  { op: 'probe', errno: 'EINVAL', code: 'other', sentence: 'The driver\'s probe failed.', cure: 'Look at the kernel\'s log: it says why.' },
  { op: 'probe', errno: 'ENODEV', code: 'no-device', sentence: 'There is no function at that address.', cure: 'Look again: the bus has changed.' },
  { op: 'reset', errno: 'ENOTTY', code: 'unsupported', sentence: 'The function offers no reset that works here.', cure: 'Only a power cycle of the host makes it clean.' },
  { op: 'reset', errno: 'EAGAIN', code: 'busy', sentence: 'The function or its bus is in use and can not be reset now.', cure: 'Wait until its user has closed it.' },
  { op: 'reset', errno: 'ENOENT', code: 'unsupported', sentence: 'The function offers no reset.', cure: 'Only a power cycle of the host makes it clean.' },
  { op: 'vf', errno: 'EINVAL', code: 'invalid', sentence: 'The PF\'s driver refuses such a setting: a multicast MAC, a VF it does not have, a rate above the link\'s or while the link is down, or a minimum rate it can not keep.', cure: 'Correct the pool\'s policy, or bring the PF\'s link up.' },
  { op: 'vf', errno: 'EOPNOTSUPP', code: 'unsupported', sentence: 'The PF\'s driver does not know this setting.', cure: 'Leave it out of the pool\'s policy.' },
  { op: 'vf', errno: 'EPROTONOSUPPORT', code: 'unsupported', sentence: 'The PF\'s driver does not know this kind of VLAN.', cure: 'Use 802.1Q.' },
  { op: 'vf', errno: 'EBUSY', code: 'busy', sentence: 'The VF or its PF is being reset.', cure: 'Try again later.' },
  { op: 'vf', errno: 'ERANGE', code: 'range', sentence: 'The value is out of range.', cure: 'Correct the pool\'s policy.' },
  { op: 'vf', errno: 'EPERM', code: 'forbidden', sentence: 'The agent may not set it.', cure: 'Give the agent CAP_NET_ADMIN.' },
  { op: 'vf', errno: 'ENODEV', code: 'no-device', sentence: 'The PF has no interface of that name any more.', cure: 'Look again.' },
  { op: 'link', errno: 'ENODEV', code: 'no-device', sentence: 'The PF has no interface of that name any more.', cure: 'Look again.' },
  { op: 'link', errno: 'EPERM', code: 'forbidden', sentence: 'The agent may not set it.', cure: 'Give the agent CAP_NET_ADMIN.' },
];

/** Of any write. */
const ANY: Readonly<Record<string, Omit<ErrnoRow, 'op' | 'errno'>>> = {
  ENODEV: { code: 'no-device', sentence: 'The function is gone, or its driver does not want it.', cure: 'Look again.' },
  ENOENT: { code: 'no-device', sentence: 'The function, or this property of it, is gone.', cure: 'Look again.' },
  EACCES: { code: 'forbidden', sentence: 'The agent may not write there.', cure: 'Run it as root.' },
  EPERM: { code: 'forbidden', sentence: 'The kernel forbids it (lockdown, or missing rights).', cure: 'Run the agent as root, and look whether the kernel is locked down.' },
  EROFS: { code: 'forbidden', sentence: 'sysfs is mounted read-only.', cure: 'Give the agent a writable /sys.' },
  EBUSY: { code: 'busy', sentence: 'The function is busy.', cure: 'Wait until its user has let it go.' },
  EINVAL: { code: 'invalid', sentence: 'The kernel does not take that value.', cure: 'Correct it.' },
};

/** @returns what an answer means; an errno nobody has met yet is `other`. */
export function explainErrno(op: KernelOp, errno: string | null): Omit<ErrnoRow, 'op' | 'errno'> {
  return ERRNO_TABLE.find((row) => row.op === op && row.errno === errno) ?? (errno === null ? undefined : ANY[errno])
    ?? { code: 'other', sentence: 'The kernel refused.', cure: 'Look at the kernel\'s log.' };
}
