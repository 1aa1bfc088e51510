/** Devices for people and for flavors' checks: lists, histories, numbers. Reads only. */
import { Injectable } from '@nestjs/common';
import type { DeviceClassView, DeviceCounts, deviceHistory, DevicePoolView, DeviceView, listDeviceClassNames, listDevices, OutputOf, ReceivedBy } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { DeviceViewsRepository, NO_COUNTS } from './device-views.repository.js';
import { DevicesRepository } from './devices.repository.js';

@Injectable()
export class DeviceViews {
  #counted: { atMs: number; counts: Promise<Map<string, DeviceCounts>> } | undefined;

  constructor(private readonly views: DeviceViewsRepository, private readonly devices: DevicesRepository) {}

  async classes(name?: string): Promise<DeviceClassView[]> {
    const [classes, counts] = await Promise.all([this.views.classes(name ?? null), this.views.counts('class_name')]);
    return classes.map((one) => ({ ...one, counts: counts.get(one.name) ?? NO_COUNTS }));
  }

  async pools(which: { id?: string | undefined; name?: string | undefined; className?: string | undefined }): Promise<DevicePoolView[]> {
    const [pools, counts] = await Promise.all([this.views.pools(which), this.views.counts('pool_id')]);
    return pools.map((one) => ({ ...one, counts: counts.get(one.id) ?? NO_COUNTS }));
  }

  list(asked: ReceivedBy<typeof listDevices>): Promise<{ devices: DeviceView[]; next: OutputOf<typeof listDevices>['next'] }> { return this.views.list(asked); }

  history(asked: ReceivedBy<typeof deviceHistory>): Promise<OutputOf<typeof deviceHistory>> {
    if (asked.deviceId === undefined && asked.instanceId === undefined) throw badRequest('History is asked for by device or by server.');
    if (asked.before !== null && !/^[0-9 :.+-]{10,40}~[0-9]{1,19}$/.test(asked.before)) throw badRequest('This is no place in a history where a page ended.');
    return this.views.history(asked);
  }

  /** Numbers may be some seconds old: they are asked for with every flavor. */
  async names(): Promise<OutputOf<typeof listDeviceClassNames>> {
    const { classes, version } = await this.devices.definitions();
    const nowMs = performance.now();
    if (this.#counted === undefined || nowMs - this.#counted.atMs > LIMITS.deviceCountsMs) {
      const counts = this.views.counts('class_name');
      this.#counted = { atMs: nowMs, counts };
      counts.catch(() => { this.#counted = undefined; });
    }
    const counted = await this.#counted.counts;
    const names = [...classes.keys()];
    return {
      names, version: String(version),
      counts: Object.fromEntries(names.map((name) => {
        const { total, available, mostPerHost, mostAvailablePerHost } = counted.get(name) ?? NO_COUNTS;
        return [name, { total, available, mostPerHost, mostAvailablePerHost }];
      })),
    };
  }
}
