/** Clients ask for what they find here: only what is there may stand here. */
const OFFERED: ReadonlyArray<readonly [alias: string, name: string, description: string]> = [
  ['OS-DCF', 'DiskConfig', 'Servers show their disk configuration.'],
  ['OS-EXT-AZ', 'ExtendedAvailabilityZone', 'Servers show their availability zone.'],
  ['OS-EXT-SRV-ATTR', 'ExtendedServerAttributes', 'Admins see the host of a server.'],
  ['OS-EXT-STS', 'ExtendedStatus', 'Servers show task, VM and power state.'],
  ['OS-FLV-DISABLED', 'FlavorDisabled', 'Flavors show whether they are disabled.'],
  ['OS-FLV-EXT-DATA', 'FlavorExtraData', 'Flavors show their ephemeral disk.'],
  ['OS-SRV-USG', 'ServerUsage', 'Servers show when they were launched and ended.'],
  ['os-availability-zone', 'AvailabilityZone', 'Availability zones, and choosing one.'],
  ['os-config-drive', 'ConfigDrive', 'Every server has a config drive.'],
  ['os-console-output', 'ConsoleOutput', 'The serial console’s log.'],
  ['os-extended-services', 'ExtendedServices', 'Why a compute service is disabled.'],
  ['os-extended-volumes', 'ExtendedVolumes', 'Servers show their volumes.'],
  ['os-flavor-extra-specs', 'FlavorExtraSpecs', 'Reading the extra specs of flavors.'],
  ['os-flavor-manage', 'FlavorManage', 'Creating and deleting flavors.'],
  ['os-flavor-rxtx', 'FlavorRxtx', 'Flavors show their rxtx factor.'],
  ['os-flavor-swap', 'FlavorSwap', 'Flavors show their swap disk.'],
  ['os-hypervisors', 'Hypervisors', 'Hypervisors, for admins.'],
  ['os-keypairs', 'Keypairs', 'Keypairs.'],
  ['os-multiple-create', 'MultipleCreate', 'Creating several servers with one request.'],
  ['os-quota-sets', 'Quotas', 'Reading quotas.'],
  ['os-server-start-stop', 'ServerStartStop', 'Starting and stopping servers.'],
  ['os-services', 'Services', 'Compute services, for admins.'],
  ['os-used-limits', 'UsedLimits', 'What of the limits is used.'],
  ['os-user-data', 'UserData', 'User data for servers.'],
];

export const EXTENSIONS = OFFERED.map(([alias, name, description]) => ({ alias, name, description, links: [], namespace: '', updated: '2014-12-03T00:00:00Z' }));
