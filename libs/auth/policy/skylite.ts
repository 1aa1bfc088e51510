import { admin, anyProjectReader, oneself, projectAdmin, projectReader, systemReader, type Rule } from './grants.js';

/** Rules of Skylite's own /v1. */
export const SKYLITE_RULES = {
  'skylite:hosts:list': [admin],
  'skylite:hosts:get': [admin],
  'skylite:hosts:update': [admin],
  'skylite:hosts:fence': [admin],
  'skylite:hosts:power': [admin],
  'skylite:drift:list': [admin],
  'skylite:drift:clean': [admin],
  'skylite:drift:adopt': [admin],
  'skylite:adoption:get': [admin],
  'skylite:adoption:adopt': [admin],
  'skylite:enrol-tokens:create': [admin],
  'skylite:servers:inspect': [admin],
  'skylite:servers:timeline': [projectReader, projectAdmin],
  'skylite:servers:scheduling': [projectReader, projectAdmin],
  'skylite:placement:fit': [anyProjectReader],
  'skylite:placement:capacity': [anyProjectReader],
  'skylite:placement:policy': [admin],
  'skylite:zones:list': [anyProjectReader],
  'skylite:doctor:run': [admin],
  'skylite:events:list': [projectReader, projectAdmin], // one's own project's; all: -all
  'skylite:events:list-all': [admin],
  'skylite:audit:list': [admin, systemReader],
  'skylite:policy:explain': [admin, systemReader, oneself],
  'skylite:token-keys:list': [admin, systemReader],
  'skylite:token-keys:rotate': [admin],
} as const satisfies Record<string, Rule>;
