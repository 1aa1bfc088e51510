import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const root = resolve(import.meta.dirname, '../..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'apps'], { cwd: root, encoding: 'utf8' }).split('\n')
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts') && existsSync(join(root, path)));
const text = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Transactions that nobody asked for, or whose record somebody else writes in them. */
const WITHOUT_RECORD: Readonly<Record<string, string>> = {
  'apps/compute/src/attachments/attachments.repository.ts': 'the event in the change that it is given',
  'apps/compute/src/moves/migrations.repository.ts': 'the event in the change that it is given',
  'apps/compute/src/hosts/fenced-hosts.ts': "the scheduler's fence, which has its own record",
  'apps/compute/src/instances/reads/servers-list.repository.ts': 'reads only',
  'apps/identity/src/logins/logins.repository.ts': 'counts of failures, which are taken back; failed-logins.ts writes each of them',
  'apps/identity/src/revocations/renewing.ts': "others' transactions, which it hands on",
  'apps/identity/src/seed/seed.repository.ts': 'the first start: nobody is there yet',
  'apps/scheduler/src/claims/attached-devices.repository.ts': "what servers' loops claim and release",
  'apps/scheduler/src/claims/claims.repository.ts': "what servers' loops claim",
  'apps/scheduler/src/snapshot/snapshot.repository.ts': 'reads only',
  'apps/scheduler/src/devices/device-definitions.ts': "the event 'device-pool-created' and its like, in definitions.repository",
  'apps/scheduler/src/devices/device-keeper.ts': 'rows of what has been gone for long: nobody asked',
  'apps/scheduler/src/devices/device-placer.reconciler.ts': 'what follows from classes and pools, whose changes have theirs',
  'apps/scheduler/src/devices/pull-wishes.ts': 'reads only',
  'apps/scheduler/src/devices/release-device.ts': 'the history of the device, whose trigger writes the record of what a user did',
  'apps/scheduler/src/devices/report-devices.ts': 'what hosts see',
  'apps/scheduler/src/enrolment/join-host.ts': "the event 'joined', in enrolment.repository",
};

describe('the audit trail', () => {
  it('has a record of every transaction, or a reason why not', () => {
    const writes = files.filter((path) => /\.transaction\(/.test(text(path)));
    const bare = writes.filter((path) => !/\baudit(ed|Part)?\(|\bbook\(|INSERT INTO (compute\.instance|scheduler\.host)_events/.test(text(path)));
    expect(writes.length).toBeGreaterThan(30);
    expect(bare.sort()).toEqual(Object.keys(WITHOUT_RECORD).sort());
  });

  it('is written by nobody but libs/audit and the triggers', () => {
    expect(files.filter((path) => /audit\.records/.test(text(path)) && path !== 'apps/identity/src/audit/audit-records.repository.ts')).toEqual([]);
  });
});
