/** What is written as text is what the views say, letter by letter: every version, every kind of caller, any server. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { HostView, InstanceView } from '#libs/contracts';
import { computeLinks, nextLinks } from './links.js';
import { MAX_VERSION, Microversion, type VersionText } from './microversion.js';
import { serverListPieces } from './server-entry.writer.js';
import { serverBrief, serverEntry, type ServerContext } from './server.view.js';

const HOST = '0d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77' as HostView['id'];
/** Quotes, controls, lone surrogates: everything that JSON writes in its own way. */
const text = fc.oneof(fc.constantFrom('web-1', 'nova', ''), fc.string({ unit: 'binary' }), fc.constantFrom('"', '\\', '\u0000\u2028', '\ud800', 'Größe/ß', '</script>'));
const textOrNull = fc.option(text, { nil: null });
const moment = fc.constantFrom('2026-11-21T01:02:03.456Z', '2026-01-02T00:00:00.000Z');
const record = fc.dictionary(text, text, { maxKeys: 3 });
const flavor = fc.record({
  id: text.map((each) => each.toWellFormed()), name: text, vcpus: fc.nat(), ramMib: fc.nat(), diskGib: fc.nat(), ephemeralGib: fc.nat(), swapMib: fc.nat(), rxtxFactor: fc.double({ noNaN: true }), isPublic: fc.boolean(), disabled: fc.boolean(),
  description: textOrNull, extraSpecs: record,
});
const anyInstance = fc.record({
  id: fc.oneof(fc.uuid(), fc.constantFrom('a/b?c', 'ü')), projectId: text, userId: text, name: text, hostname: text, description: textOrNull, metadata: record, tags: fc.array(text, { maxLength: 3 }),
  intent: fc.constantFrom('running', 'stopped', 'paused', 'suspended', 'deleted'), generation: fc.nat(), specGeneration: fc.nat(), rebootCount: fc.nat(2), rebootType: fc.constantFrom('soft', 'hard'),
  flavor, imageId: fc.uuid(), keyName: textOrNull, userData: textOrNull, configDrive: fc.boolean(), requestedZone: textOrNull, availabilityZone: textOrNull,
  hostId: fc.constantFrom(null, HOST, '11111111-1111-4111-8111-111111111111'), hostName: textOrNull, groupId: fc.constant(null), reservationId: text, launchIndex: fc.nat(), locked: fc.boolean(), lockedReason: textOrNull,
  rebuilding: fc.boolean(), moveKind: fc.constantFrom(null, 'resize', 'evacuation'), movePhase: fc.constantFrom(null, 'claim', 'verify', 'revert'),
  observedState: fc.constantFrom(null, 'running', 'stopped', 'paused', 'suspended', 'crashed', 'building'), observedGeneration: fc.nat(), observedRebootCount: fc.nat(2),
  step: fc.constantFrom('claim-host', 'wait-host', 'settled', 'failed', 'finished'),
  fault: fc.option(fc.record({ code: fc.constantFrom(500, 404), message: text, details: textOrNull, createdAt: moment }), { nil: null }),
  createdAt: moment, updatedAt: moment, launchedAt: fc.option(moment, { nil: null }), terminatedAt: fc.option(moment, { nil: null, freq: 2 }),
}) as unknown as fc.Arbitrary<InstanceView>;
const anyContext = fc.record({
  version: fc.integer({ min: 1, max: Number(String(MAX_VERSION).split('.')[1]) }).map((minor) => Microversion.of(`2.${minor}` as VersionText)),
  links: fc.tuple(fc.constantFrom('http://HOST', 'https://a.b:8443', 'http://"\\\u0000'), fc.option(fc.constant('p1'), { nil: undefined })).map(([url, project]) => computeLinks(url, project)),
  isAdmin: fc.boolean(), hostOf: fc.constant((id: string) => (id === HOST ? { enabled: true, alive: true } as HostView : undefined)),
}) as fc.Arbitrary<ServerContext>;
const said = (...words: Parameters<typeof serverListPieces>): string => [...serverListPieces(...words)].join('');

describe('the text of a list of servers', () => {
  it('is the views, letter by letter', () => {
    fc.assert(fc.property(fc.array(anyInstance, { maxLength: 4 }), anyContext, fc.boolean(), (instances, context, detail) => {
      const page = { limit: instances.length, query: [['limit', '4'], ['name', '"ü']] as const };
      const next = nextLinks(context.links, detail ? 'servers/detail' : 'servers', page, instances.map(({ id }) => id));
      const servers = instances.map((instance) => (detail ? serverEntry(instance, context) : serverBrief(instance, context.links)));
      expect(said(instances, detail, page, context)).toBe(JSON.stringify({ servers, ...(next && { servers_links: next }) }));
    }), { numRuns: 2_000 });
  });

  it('comes in pieces, and is whole', () => {
    const [one] = fc.sample(anyInstance, { numRuns: 1, seed: 3 }) as [InstanceView];
    const context = { version: Microversion.of('2.96'), links: computeLinks('http://HOST'), isAdmin: true };
    for (const count of [0, 1, 249, 250, 251, 1000]) {
      const pieces = [...serverListPieces(Array.from({ length: count }, () => one), true, { limit: 5000, query: [] }, context)];
      expect(pieces).toHaveLength(2 + Math.ceil(count / 250));
      expect(JSON.parse(pieces.join('')).servers).toHaveLength(count);
    }
  });
});
