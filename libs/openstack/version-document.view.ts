import { MAX_VERSION, MIN_VERSION } from './microversion.js';

const UPDATED = '2013-07-23T11:33:21Z';
const self = (publicUrl: string) => ({ rel: 'self', href: `${publicUrl}/compute/v2.1/` });
const summary = { id: 'v2.1', status: 'CURRENT', version: MAX_VERSION, min_version: MIN_VERSION, updated: UPDATED };

/** GET /compute/ */
export const versionListView = (publicUrl: string) => ({ versions: [{ ...summary, links: [self(publicUrl)] }] });

/** GET /compute/v2.1/ */
export const versionView = (publicUrl: string) => ({
  version: {
    ...summary,
    links: [self(publicUrl), { rel: 'describedby', type: 'text/html', href: 'https://docs.openstack.org/api-ref/compute/' }],
    'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.compute+json;version=2.1' }],
  },
});
