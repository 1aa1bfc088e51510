import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parentsAsIds, subtreeAsIds, whyNotThere, type Ids, type NewProjectFacts } from './project-tree.js';

const domain = { id: 'd', enabled: true };
const up = (...ids: string[]) => ids.map((id) => ({ id, domainId: 'd', enabled: true }));
const facts: NewProjectFacts = { domain, parentId: 'd', above: [], maxDepth: 5 };

describe('a new project', () => {
  it.each<[string, Partial<NewProjectFacts>, string | undefined]>([
    ['stands below its domain', {}, undefined],
    ['stands five deep', { parentId: '4', above: up('4', '3', '2', '1') }, undefined],
    ['does not stand six deep', { parentId: '5', above: up('5', '4', '3', '2', '1') }, 'Max hierarchy depth reached for 5 branch.'],
    ['does not stand below another domain\'s', { parentId: 'x', above: [{ id: 'x', domainId: 'other', enabled: true }] }, 'Cannot create project, since it specifies its domain_id d, but specifies a parent in a different domain (other).'],
    ['does not stand in a disabled branch', { parentId: '2', above: [...up('2'), { id: '1', domainId: 'd', enabled: false }] }, 'cannot create a project in a branch containing a disabled project: 1'],
    ['does not stand in a disabled domain', { domain: { id: 'd', enabled: false } }, 'cannot create a project in a branch containing a disabled project: d'],
  ])('%s', (_, changed, message) => {
    expect(whyNotThere({ ...facts, ...changed })?.message).toBe(message);
  });
});

describe('a tree as ids', () => {
  it('goes up to the domain', () => {
    expect(parentsAsIds(['b', 'a', 'd'])).toEqual({ b: { a: { d: null } } });
    expect(parentsAsIds([])).toBeNull();
  });

  it('names every project below exactly once, under its parent', () => {
    fc.assert(fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 20 }), (parents) => {
      const nodes = parents.map((parent, i) => ({ id: String(i + 1), parentId: String(parent % (i + 1)) }));
      const seen: [string, string][] = [];
      const walk = (parent: string, ids: Ids | null): void => { for (const [id, below] of Object.entries(ids ?? {})) { seen.push([id, parent]); walk(id, below); } };
      walk('0', subtreeAsIds('0', nodes));
      expect(new Map(seen)).toEqual(new Map(nodes.map(({ id, parentId }) => [id, parentId])));
      expect(seen).toHaveLength(nodes.length);
    }));
    expect(subtreeAsIds('0', [])).toBeNull();
  });
});
