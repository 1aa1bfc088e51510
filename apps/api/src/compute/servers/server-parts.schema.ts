/** What the bodies of several requests about servers have in common, and how it changes with the microversion. */
import { z } from 'zod';
import { has, type Microversion } from '#libs/openstack';
import { LIMITS } from '../../limits.js';

export const diskConfig = z.enum(['AUTO', 'MANUAL']);
export const Tag = z.string().min(1).max(LIMITS.tagChars).regex(/^[^,/]*$/);
export const hostOrDomain = z.string().min(1).max(255).regex(/^[a-zA-Z0-9-._]*$/);
const label = z.string().min(2).max(63).regex(/^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$/);

/** From 2.90 a label, from 2.94 also a domain name. */
export const hostname = (version: Microversion) => (has(version, 'server.hostname') ? { hostname: (has(version, 'server.fqdn') ? hostOrDomain : label).optional() } : {});

/** Null, or certificates (which are refused later, in words). */
export const certificates = (version: Microversion) => (has(version, 'server.trusted-certificates') ? { trusted_image_certificates: z.array(z.string().min(1)).min(1).max(50).nullable().optional() } : {});
