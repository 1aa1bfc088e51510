/**
 * Decides what a tree of projects allows, and draws it as Keystone does. Owns the rules of depth, of domains within a
 * tree and of disabled branches. Never looks anything up; nothing is lost when the process dies here.
 */
export interface TreeNode { id: string; parentId: string | null }
export interface Ancestor { id: string; domainId: string; enabled: boolean }

/** A refusal: `bad-request` where the input is wrong, `forbidden` where the tree's state or a bound forbids it. */
export interface Refusal { kind: 'bad-request' | 'forbidden'; message: string }

export interface NewProjectFacts {
  domain: { id: string; enabled: boolean };
  parentId: string;
  /** From the parent upwards, without the domain; empty: directly below the domain. */
  above: readonly Ancestor[];
  maxDepth: number;
}

/** Why a project cannot stand there; undefined: it can. */
export function whyNotThere({ domain, parentId, above, maxDepth }: NewProjectFacts): Refusal | undefined {
  const parent = above[0];
  if (parent !== undefined && parent.domainId !== domain.id) {
    return { kind: 'bad-request', message: `Cannot create project, since it specifies its domain_id ${domain.id}, but specifies a parent in a different domain (${parent.domainId}).` };
  }
  const disabled = domain.enabled ? above.find(({ enabled }) => !enabled)?.id : domain.id;
  if (disabled !== undefined) return { kind: 'bad-request', message: `cannot create a project in a branch containing a disabled project: ${disabled}` };
  if (above.length + 1 > maxDepth) return { kind: 'forbidden', message: `Max hierarchy depth reached for ${parentId} branch.` };
  return undefined;
}

export interface Ids { [id: string]: Ids | null }

/** The way up as nested ids; the topmost (the domain) leads to null. @param above ids from the parent upwards, with the domain. */
export const parentsAsIds = (above: readonly string[]): Ids | null =>
  above.toReversed().reduce<Ids | null>((higher, id) => ({ [id]: higher }), null);

/** Everything below as nested ids; what has nothing below it leads to null. */
export function subtreeAsIds(id: string, below: readonly TreeNode[]): Ids | null {
  const children = new Map<string, string[]>();
  for (const node of below) if (node.parentId !== null) children.set(node.parentId, [...(children.get(node.parentId) ?? []), node.id]);
  const draw = (at: string): Ids | null => {
    const ids = children.get(at);
    return ids === undefined ? null : Object.fromEntries(ids.map((child) => [child, draw(child)]));
  };
  return draw(id);
}
