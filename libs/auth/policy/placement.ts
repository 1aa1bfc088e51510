import { projectAdmin, type Rule } from './grants.js';

/** Rules of placement's reading side: who owns hosts sees them; nobody writes. */
export const PLACEMENT_RULES = {
  'placement:resource-providers:list': [projectAdmin],
  'placement:resource-providers:get': [projectAdmin],
  'placement:inventories:list': [projectAdmin],
  'placement:usages:list': [projectAdmin],
  'placement:traits:list': [projectAdmin],
  'placement:aggregates:list': [projectAdmin],
  'placement:allocations:list': [projectAdmin],
  'placement:resource-classes:list': [projectAdmin],
  'placement:allocation-candidates:list': [projectAdmin],
  'placement:write': [projectAdmin],
} as const satisfies Record<string, Rule>;
