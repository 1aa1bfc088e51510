// `npm run generate`: writes anew what is checked in and compared by tests: contract snapshots, routes, OpenAPI, the policy matrix, the kernel's answers in docs/devices.md.
import { spawnSync } from 'node:child_process';
import { node24, root } from '../one-machine/machine.mjs';

const { status } = spawnSync(node24(), ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', '--selectProjects', 'architecture', '--testPathPatterns', 'snapshots|policy-matrix|devices-doc'], {
  cwd: root, env: { ...process.env, SKYLITE_GENERATE: '1' }, stdio: 'inherit',
});
process.exit(status ?? 1);
