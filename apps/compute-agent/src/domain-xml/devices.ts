/** One small builder a device. Each gives its element, or null where the domain has none of it. */
import { el, type XmlNode } from './node.js';
import type { DomainSpec } from './spec.js';

export type DeviceBuilder = (spec: DomainSpec) => XmlNode | null;

/** Root disk: an overlay of ours on a cached base image. */
const rootDisk: DeviceBuilder = ({ desired, files, frozen }) => el('disk', { type: 'file', device: 'disk' },
  // Native AIO needs O_DIRECT, which only cache=none opens with.
  el('driver', { name: 'qemu', type: 'qcow2', cache: frozen.diskCache, io: frozen.diskCache === 'none' ? 'native' : undefined, discard: 'unmap' }),
  el('source', { file: files.disk }),
  // Named, so that libvirt need not look into images; readable by all, so that it need not hand over what many share.
  el('backingStore', { type: 'file' },
    el('format', { type: desired.image.format }),
    el('source', { file: files.base }, el('seclabel', { model: 'dac', relabel: 'no' })),
    el('backingStore')),
  el('target', { dev: 'vda', bus: 'virtio' }));

const configDrive: DeviceBuilder = ({ files }) => el('disk', { type: 'file', device: 'cdrom' },
  el('driver', { name: 'qemu', type: 'raw' }),
  el('source', { file: files.configDrive }),
  el('target', { dev: 'hda', bus: 'ide' }),
  el('readonly'));

/** First serial port; virtlogd keeps what it says in a file. Unnumbered, libvirt may make it another port: a silent console. */
const serial: DeviceBuilder = ({ files }) => el('serial', { type: 'pty' },
  el('log', { file: files.serialLog, append: 'on' }),
  el('target', { type: 'isa-serial', port: 0 }, el('model', { name: 'isa-serial' })));

/** The same port by its other name. */
const console: DeviceBuilder = () => el('console', { type: 'pty' }, el('target', { type: 'serial', port: 0 }));

const guestAgent: DeviceBuilder = () => el('channel', { type: 'unix' }, el('target', { type: 'virtio', name: 'org.qemu.guest_agent.0' }));

const rng: DeviceBuilder = () => el('rng', { model: 'virtio' }, el('backend', { model: 'random' }, '/dev/urandom'));

const balloon: DeviceBuilder = () => el('memballoon', { model: 'virtio' }, el('stats', { period: 10 }));

/** libvirt would add a tablet's controller and more; an explicit none keeps the guest lean. */
const usb: DeviceBuilder = () => el('controller', { type: 'usb', model: 'none' });

/** Domains defined by earlier versions have no screen, and stay as they are. */
export const GRAPHICS_SINCE_RENDER_VERSION = 2;
const withScreen = (device: DeviceBuilder): DeviceBuilder => (spec) => (spec.frozen.renderVersion >= GRAPHICS_SINCE_RENDER_VERSION ? device(spec) : null);

/** On a socket in the domain's own folder, which libvirt makes and only QEMU's user and root may enter: no port, no password. */
const graphics: DeviceBuilder = withScreen(() => el('graphics', { type: 'vnc', sharePolicy: 'force-shared' }, el('listen', { type: 'socket' })));

/** What every guest can draw on from its first instruction. */
const video: DeviceBuilder = withScreen(() => el('video', {}, el('model', { type: 'vga', vram: 16_384, heads: 1, primary: 'yes' })));

/** Pointers where the viewer's is. Without USB, whose polling costs an idle guest more than all else. */
const tablet: DeviceBuilder = withScreen(() => el('input', { type: 'tablet', bus: 'virtio' }));

/** In the order in which they get their PCI addresses: frozen by this order until a domain has been defined. */
export const DEVICES: readonly DeviceBuilder[] = [rootDisk, configDrive, usb, serial, console, guestAgent, rng, balloon, graphics, video, tablet];
