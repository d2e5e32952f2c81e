import type {
  DeviceConfig,
  DiskConfig,
  DomainConfig,
  HardwareConfig,
  Settings,
} from '../inventory/domain-config.ts';
import { devicesDiffer, type SettingsRule, settingsDiffer } from './compare-settings.ts';
import type { IsSameFile } from './same-path.ts';

/** The two configurations, and the persistent one at the beginning of the run where that is known. */
export interface HardwarePair {
  readonly live: HardwareConfig;
  readonly persistent: HardwareConfig;
  readonly atStart: HardwareConfig | undefined;
}

/** libvirt turns System Management Mode on for firmware with Secure Boot (qemuFirmwareEnableFeatures). */
const FILLED_IN_FEATURES = /^(?:smm|gic|hpt)(?:\/|$)/;
/** Modes in which libvirt or QEMU chooses the enlightenments at start. */
const AUTOMATIC_HYPERV: ReadonlySet<string> = new Set(['passthrough', 'host-model']);

export function featuresDiffer({ live, persistent, atStart }: HardwarePair): boolean {
  const isAutomatic = AUTOMATIC_HYPERV.has(persistent.features.get('hyperv/@mode') ?? '');
  const compared = (settings: Settings): Settings =>
    isAutomatic ? new Map([...settings].filter(([path]) => !path.startsWith('hyperv/'))) : settings;
  return settingsDiffer(compared(live.features), compared(persistent.features), atStart?.features, {
    isFilledIn: (path) => FILLED_IN_FEATURES.test(path),
  });
}

/** What an absent element or attribute means to libvirt or QEMU. */
const DEVICE_DEFAULTS: ReadonlySet<string> = new Set([
  'link/@state up',
  'driver/@name vhost',
  'rom/@bar on',
  'port/@isolated no',
  '@trustGuestRxFilters no',
  '@managed no',
  'backend/@type default',
  '@autoport no',
  '@sharePolicy allow-exclusive',
  '@defaultMode any',
  'backend/@persistent_state no',
]);

const isDefault = (path: string, value: string): boolean =>
  DEVICE_DEFAULTS.has(`${path} ${value}`) || value === 'default';

export function interfacesDiffer({ live, persistent, atStart }: HardwarePair, isSame: IsSameFile): boolean {
  const rule: SettingsRule = {
    isDefault,
    isSame: (path, a, b) =>
      path === 'mac/@address' ? a.toLowerCase() === b.toLowerCase() : path.endsWith('@path') && isSame(a, b),
  };
  return devicesDiffer(
    live.interfaces,
    persistent.interfaces,
    atStart?.interfaces,
    (running, wanted, first) => settingsDiffer(running, wanted, first, rule),
  );
}

export function graphicsDiffer({ live, persistent, atStart }: HardwarePair, isSame: IsSameFile): boolean {
  const rule: SettingsRule = {
    isDefault,
    isSame: (path, running, wanted) =>
      // libvirt chooses the port of the web socket at start.
      (path === '@websocket' && wanted === '-1') || (path.endsWith('@socket') && isSame(running, wanted)),
  };
  return devicesDiffer(live.graphics, persistent.graphics, atStart?.graphics, (running, wanted, first) =>
    settingsDiffer(
      running,
      isOnConfiguredSocket(running, wanted, first) ? asSocket(wanted) : wanted,
      first,
      rule,
    ),
  );
}

/** With `vnc_auto_unix_socket` in qemu.conf, a display without an address listens on a socket that libvirt makes. */
function isOnConfiguredSocket(live: Settings, persistent: Settings, atStart: Settings | undefined): boolean {
  return (
    atStart?.get('listen/@type') !== 'socket' &&
    live.get('listen/@type') === 'socket' &&
    !live.has('listen/@socket') &&
    persistent.get('listen/@type') === 'address' &&
    !persistent.has('listen/@address')
  );
}

function asSocket(persistent: Settings): Settings {
  const settings = new Map(persistent).set('listen/@type', 'socket');
  for (const path of ['@port', '@tlsPort', '@autoport', '@websocket']) settings.delete(path);
  return settings;
}

export function tpmsDiffer({ live, persistent, atStart }: HardwarePair, isSame: IsSameFile): boolean {
  const rule: SettingsRule = { isDefault, isSame: (path, a, b) => path.endsWith('@path') && isSame(a, b) };
  return devicesDiffer(live.tpms, persistent.tpms, atStart?.tpms, (running, wanted, first) =>
    settingsDiffer(running, wanted, first, rule),
  );
}

/** The settings of a controller that libvirt adds for a device. */
const OF_ADDED_CONTROLLER: ReadonlySet<string> = new Set(['@type', '@index', '@model', '@ports']);

/**
 * libvirt adds a controller when a device needs one. Such a controller on one side only is no change of its own: the device
 * is one.
 */
export function controllersDiffer(
  { hardware: live, disks }: DomainConfig,
  next: DomainConfig,
  atStart: HardwareConfig | undefined,
): boolean {
  const { hardware: persistent } = next;
  const running = new Set(live.controllers.map(({ key }) => key));
  const wanted = new Set(persistent.controllers.map(({ key }) => key));
  const kept = live.controllers.filter(
    (controller) => wanted.has(controller.key) || !isAddedFor(disks, next.disks, controller),
  );
  const keptWanted = persistent.controllers.filter(
    (controller) => running.has(controller.key) || !isAddedFor(next.disks, disks, controller),
  );
  return devicesDiffer(kept, keptWanted, atStart?.controllers, (now, then, first) =>
    settingsDiffer(now, then, first, { isDefault }),
  );
}

function isAddedFor(
  own: readonly DiskConfig[],
  others: readonly DiskConfig[],
  { settings }: DeviceConfig,
): boolean {
  if ([...settings.keys()].some((path) => !OF_ADDED_CONTROLLER.has(path))) return false;
  const type = settings.get('@type');
  // Channels and consoles, which are not compared, are on these.
  if (type === 'virtio-serial' || type === 'ccid') return true;
  const isOn = ({ bus }: DiskConfig): boolean => bus === type;
  return own.some(isOn) && !others.some(isOn);
}
