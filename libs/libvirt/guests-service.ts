// libvirt's own `libvirt-guests.service`: at a shutdown of its host it saves or shuts down every guest of the machine's libvirt, and
// may start them again at boot, whoever they belong to. Whoever looks after guests himself wants it off. Only read here.
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

export interface GuestsService {
  /** What it does to guests when the host shuts down. */
  readonly atShutdown: 'suspend' | 'shutdown';
  /** Does it start at boot those that ran? */
  readonly startsAtBoot: boolean;
}

const UNIT = 'libvirt-guests.service';
/** The script's own words first, then the machine's: the last one counts. libvirt's own defaults where neither says. */
const SPOKEN_IN = ['usr/libexec/libvirt-guests.sh', 'usr/lib/libvirt/libvirt-guests.sh', 'etc/sysconfig/libvirt-guests', 'etc/default/libvirt-guests'];

/** @param root of the machine's file system. @returns null when it is not enabled */
export function guestsService(root = '/'): GuestsService | null {
  if (!isEnabled(root)) return null;
  const said = new Map([['ON_BOOT', 'start'], ['ON_SHUTDOWN', 'suspend']]);
  for (const path of SPOKEN_IN) {
    for (const [, name = '', value = ''] of contentOf(join(root, path)).matchAll(/^\s*(ON_BOOT|ON_SHUTDOWN)=["']?([a-z]*)/gm)) said.set(name, value);
  }
  return { atShutdown: said.get('ON_SHUTDOWN') === 'shutdown' ? 'shutdown' : 'suspend', startsAtBoot: said.get('ON_BOOT') === 'start' };
}

/** What is wrong with it, and the cure: for people. */
export const guestsServiceText = ({ atShutdown, startsAtBoot }: GuestsService): { detail: string; cure: string } => ({
  detail: `${UNIT} is enabled: when this host shuts down it ${atShutdown === 'suspend' ? 'saves the memory of all guests and stops them' : 'shuts all guests down'}${startsAtBoot ? ', and at boot it starts them, also where they are to stay off' : ', which looks as if they had ended by themselves, so that they stay off'}`,
  cure: `systemctl disable libvirt-guests${startsAtBoot ? ', and ON_BOOT=ignore in /etc/default/libvirt-guests (or /etc/sysconfig/) for the boot to come' : ''}; without --now, which would do it to the guests at once`,
});

function isEnabled(root: string): boolean {
  const systemd = join(root, 'etc/systemd/system');
  if (isMasked(join(systemd, UNIT))) return false;
  const wanted = namesIn(systemd).some((name) => /\.(?:wants|requires)$/.test(name) && namesIn(join(systemd, name)).includes(UNIT));
  return wanted || (!existsSync(systemd) && ['rc2.d', 'rc3.d', 'rc5.d'].some((level) => namesIn(join(root, 'etc', level)).some((name) => /^S\d\dlibvirt-guests$/.test(name))));
}

function isMasked(path: string): boolean {
  try {
    return realpathSync(path) === '/dev/null';
  } catch {
    return false;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
