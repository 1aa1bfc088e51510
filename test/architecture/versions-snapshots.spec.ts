/** docs/microversions.md says what the version table says; `npm run generate` writes it anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from '@jest/globals';
import { FEATURES, MAX_VERSION, Microversion, MIN_VERSION, WITHOUT_EFFECT } from '#libs/openstack';

const path = join(resolve(import.meta.dirname, '../..'), 'docs/microversions.md');

function text(): string {
  const lines = Array.from({ length: Microversion.max.minor }, (_, index) => `2.${index + 1}` as const).flatMap((version) => {
    const changes = Object.entries(FEATURES).filter(([, { since }]) => since === version).map(([name, { what }]) => `| ${version} | \`${name}\` | ${what} |`);
    return changes.length > 0 ? changes : [`| ${version} | | ${WITHOUT_EFFECT[version] ?? ''} |`];
  });
  return `# Microversions of the compute API

${MIN_VERSION} to ${MAX_VERSION}. A feature is there from its version on, and not before: \`libs/openstack/version-table.ts\` is what the code asks,
this page is made of it, and \`apps/api/src/compute/servers/microversions.spec.ts\` and \`shapes.spec.ts\` ask the door right before and right at each.
Versions without a name change only what is not offered here: asking for them changes nothing, and what they would add is refused.

| version | feature | what changes |
|---|---|---|
${lines.join('\n')}
`;
}

it('docs/microversions.md', () => {
  if (process.env.SKYLITE_GENERATE === '1') writeFileSync(path, text());
  expect(readFileSync(path, 'utf8')).toBe(text());
});
