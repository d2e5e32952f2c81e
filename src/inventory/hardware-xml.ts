import type { CpuFeatures, DeviceConfig, HardwareConfig, Settings } from './domain-config.ts';
import { settingsOf } from './settings.ts';
import { attribute, child, children, type XmlElement } from './xml.ts';

type Bounded = (text: string | undefined) => string | undefined;

/** More devices of one kind are not compared; libvirt's machines have fewer. */
const MAX_DEVICES = 1024;
const MAX_CPU_FEATURES = 2048;

/** Parses what the live and the persistent configuration are compared by. `bounded` is that of {@link settingsOf}. */
export function parseHardware(domain: XmlElement, bounded: Bounded): HardwareConfig {
  const devices = child(domain, 'devices');
  const settings = (name: string): Settings[] =>
    children(devices, name)
      .slice(0, MAX_DEVICES)
      .map((device) => settingsOf(device, bounded));
  return {
    cpuFeatures: cpuFeatures(child(domain, 'cpu'), bounded),
    features: featuresOf(child(domain, 'features'), bounded),
    firmware: firmwareOf(child(domain, 'os'), bounded),
    interfaces: keyed(settings('interface').map(attachedInterface), ({ settings: nic }) =>
      nic.get('mac/@address')?.toLowerCase(),
    ),
    graphics: keyed(settings('graphics').map(withoutPorts), ({ settings: screen }) => screen.get('@type')),
    tpms: keyed(settings('tpm').map(asDevice), () => 'tpm'),
    controllers: keyed(
      settings('controller').filter(isCompared).map(asDevice),
      ({ settings: controller }) => `${controller.get('@type')}:${controller.get('@index')}`,
    ),
  };
}

const asDevice = (settings: Settings): Omit<DeviceConfig, 'key'> => ({ settings });

/** Gives each device its key; the second and further devices with one key have a number. */
function keyed(
  devices: readonly Omit<DeviceConfig, 'key'>[],
  keyOf: (device: Omit<DeviceConfig, 'key'>) => string | undefined,
): DeviceConfig[] {
  const counts = new Map<string, number>();
  return devices.map((device) => {
    const key = keyOf(device) ?? '';
    const number = (counts.get(key) ?? 0) + 1;
    counts.set(key, number);
    return { ...device, key: `${key} ${number}` };
  });
}

/** libvirt adds PCI controllers as it needs slots, in the persistent and in the running configuration by themselves. */
function isCompared(controller: Settings): boolean {
  return controller.get('@type') !== 'pci';
}

function cpuFeatures(cpu: XmlElement | undefined, bounded: Bounded): CpuFeatures {
  const policies = new Map<string, string>();
  for (const feature of children(cpu, 'feature').slice(0, MAX_CPU_FEATURES)) {
    const name = bounded(attribute(feature, 'name'));
    if (name !== undefined) policies.set(name, attribute(feature, 'policy') ?? 'require');
  }
  return policies;
}

/** `state='on'` and `mode='custom'` are libvirt's defaults, and are not always written. */
function featuresOf(element: XmlElement | undefined, bounded: Bounded): Settings {
  const settings = new Map<string, string>();
  for (const feature of element?.children.slice(0, MAX_DEVICES) ?? []) {
    const { localName } = feature;
    settings.set(localName, '');
    for (const [path, value] of settingsOf(feature, bounded)) {
      const isDefault =
        (path.endsWith('@state') && value === 'on') || (path === '@mode' && value === 'custom');
      const owner = path.slice(0, path.lastIndexOf('@')).replace(/\/$/, '');
      if (isDefault && owner !== '') settings.set(`${localName}/${owner}`, '');
      if (!isDefault) settings.set(`${localName}/${path}`, value);
    }
  }
  return settings;
}

const FIRMWARE_ELEMENTS: ReadonlySet<string> = new Set(['loader', 'nvram', 'varstore', 'bios', 'smbios']);

function firmwareOf(os: XmlElement | undefined, bounded: Bounded): Settings {
  const settings = new Map<string, string>();
  const automatic = bounded(attribute(os, 'firmware'));
  if (automatic !== undefined) settings.set('@firmware', automatic);
  for (const element of os?.children ?? []) {
    if (!FIRMWARE_ELEMENTS.has(element.localName)) continue;
    for (const [path, value] of settingsOf(element, bounded))
      settings.set(path === '' ? element.localName : `${element.localName}/${path}`, value);
  }
  for (const feature of children(child(os, 'firmware'), 'feature').slice(0, MAX_DEVICES)) {
    const name = bounded(attribute(feature, 'name'));
    if (name !== undefined) settings.set(`feature/${name}`, attribute(feature, 'enabled') ?? 'yes');
  }
  return settings;
}

/** Names that libvirt gives to interfaces on the host; a driver of libvirt can have another prefix. */
const GENERATED_TARGET = /^(?:vnet|macvtap|macvlan)\d/;
/** Of a running domain, what libvirt took from the network that the interface is attached to. */
const FROM_NETWORK: ReadonlySet<string> = new Set([
  '@type',
  '@managed',
  'source/@portid',
  'source/@bridge',
  'source/@macTableManager',
  'source/@dev',
  'source/@mode',
]);

/**
 * The live configuration of an interface on a libvirt network shows the bridge or device that the network uses, with that
 * one's type (virDomainNetDefFormat).
 */
function attachedInterface(written: Settings): Omit<DeviceConfig, 'key'> {
  const isOnNetwork = written.has('source/@network');
  const settings = new Map<string, string>();
  for (const [path, value] of written) {
    if (isOnNetwork && (FROM_NETWORK.has(path) || path.startsWith('source/address/'))) continue;
    if (path === 'target/@dev' && GENERATED_TARGET.test(value)) continue;
    if (path === 'guest/@actual') continue;
    settings.set(path, value);
  }
  if (isOnNetwork) settings.set('@type', 'network');
  return { settings };
}

/** A socket that libvirt made in the domain's own folder (qemuProcessGraphicsSetupListen). */
const GENERATED_SOCKET = /\/domain-\d+-[^/]*\/(?:vnc|spice|rdp)\.sock$/;

/**
 * Ports that libvirt chooses at start are left out, and the attributes that repeat the first `<listen>`
 * (virDomainGraphicsDefFormat).
 */
function withoutPorts(written: Settings): Omit<DeviceConfig, 'key'> {
  const settings = new Map(written);
  const isAutomatic = written.get('@autoport') === 'yes' || written.get('@port') === '-1';
  if (isAutomatic) {
    settings.set('@autoport', 'yes');
    for (const name of ['@port', '@tlsPort']) settings.delete(name);
  }
  if (written.has('listen/@type')) for (const name of ['@listen', '@socket']) settings.delete(name);
  for (const [path, value] of written) {
    if (!/^listen(?:#\d+)?\/@type$/.test(path)) continue;
    const listen = path.slice(0, -'@type'.length);
    const socket = written.get(`${listen}@socket`);
    const isGenerated = socket !== undefined && GENERATED_SOCKET.test(socket);
    if (isGenerated) settings.delete(`${listen}@socket`);
    if (value === 'network') settings.delete(`${listen}@address`);
  }
  return { settings };
}
