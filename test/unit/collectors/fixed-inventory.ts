import { allUnavailable, type GuestView, NO_GUEST_VIEW } from '../../../src/guest/guest-state.ts';
import type { BootFiles } from '../../../src/inventory/boot-files.ts';
import type { Capabilities, MachineRow } from '../../../src/inventory/capabilities.ts';
import { NO_DISK_EVENTS, NO_IO_ERRORS } from '../../../src/inventory/disk-events.ts';
import type {
  CpuConfig,
  DeviceConfig,
  DiskConfig,
  DomainConfig,
  HardwareConfig,
} from '../../../src/inventory/domain-config.ts';
import type { DomainView } from '../../../src/inventory/inventory.ts';
import { NO_EVENTS } from '../../../src/inventory/lifecycle-events.ts';
import type { ManagedSave } from '../../../src/inventory/managed-saves.ts';
import { SHIPPED_OSINFO } from '../../../src/osinfo/table.generated.ts';
import { createNextStart, type FileStates } from '../../../src/snapshot/next-start.ts';
import type { DomainSnapshot, Snapshot } from '../../../src/snapshot/snapshot.ts';
import { HOST, SWAPPED_OUT_PROCESS, THROTTLED_PROCESS } from './fixed-host.ts';
import {
  BUSY_MEASURED,
  MIGRATING_MEASURED,
  measured,
  ODD_DEVICES,
  ODD_MEASURED,
  POOLS,
  SHUT_OFF_MEASURED,
  THRASHING_MEASURED,
} from './fixed-measurements.ts';

const X86 = '/usr/bin/qemu-system-x86_64';
const I386 = '/usr/bin/qemu-system-i386';
const ARM = '/usr/bin/qemu-system-aarch64';
const RUNNING = 1;
const PAUSED = 3;
const SHUT_OFF = 5;
/** virDomainRunningReason, virDomainPausedReason and virDomainShutoffReason. */
const BOOTED_REASON = 1;
const IO_ERROR = 5;
const SHUTDOWN_REASON = 1;
const BOOTED = 1_790_000_000;
/** The installed emulator: made by an upgrade an hour after boot, relabelled a minute later. */
const INSTALLED = {
  dev: 2049,
  ino: 900,
  bornSeconds: BOOTED + 3_600,
  changedSeconds: BOOTED + 3_660,
  isExecutable: true,
};
const REPLACED = { path: X86, dev: 2049, ino: 800 };
const CURRENT = { path: X86, dev: 2049, ino: 900 };

const machine = (name: string, changes: Partial<MachineRow> = {}): MachineRow => ({
  name,
  canonical: undefined,
  deprecated: false,
  ...changes,
});

const PC_MACHINES = [
  machine('pc-i440fx-7.2'),
  machine('pc', { canonical: 'pc-i440fx-7.2' }),
  machine('pc-i440fx-2.11'),
  machine('pc-i440fx-1.7', { deprecated: true }),
  machine('pc-q35-7.2'),
  machine('q35', { canonical: 'pc-q35-7.2' }),
  machine('pc-q35-7.1'),
  machine('pc-q35-3.1'),
  machine('pc-q35-2.11'),
  machine('microvm'),
];

const ARM_MACHINES = [
  machine('virt-7.2'),
  machine('virt', { canonical: 'virt-7.2' }),
  machine('virt-noble'),
  machine('sbsa-ref'),
];

/** aarch64's emulator is being replaced. */
const CAPABILITIES: Capabilities = {
  hostArch: 'x86_64',
  guests: (
    [
      ['i686', I386, PC_MACHINES, undefined],
      ['x86_64', X86, PC_MACHINES, undefined],
      ['aarch64', ARM, ARM_MACHINES, BOOTED + 9_000],
    ] as const
  ).map(([arch, emulator, machines, lostSinceSeconds]) => ({
    arch,
    osType: 'hvm',
    domains: ['qemu', 'kvm'].map((type) => ({ type, emulator, machines, lostSinceSeconds })),
  })),
};

const FIRMWARE = { ...INSTALLED, ino: 77, isExecutable: false };
const START_FILES: FileStates = new Map<string, typeof INSTALLED | 'missing'>([
  [X86, INSTALLED],
  ['/usr/bin/kvm-spice', 'missing'],
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', FIRMWARE],
  ['/usr/share/OVMF/OVMF_CODE.fd', 'missing'],
]);
const nextStart = createNextStart(CAPABILITIES, START_FILES);

const CPU: CpuConfig = {
  mode: 'host-passthrough',
  model: undefined,
  vendor: undefined,
  match: undefined,
  check: undefined,
  topology: undefined,
  maximum: 2,
  current: 2,
};

const DISK: DiskConfig = {
  target: 'vda',
  alias: 'virtio-disk0',
  device: 'disk',
  type: 'file',
  source: '/var/lib/libvirt/images/vm.img',
  hosts: [],
  bus: 'virtio',
  cache: undefined,
  io: undefined,
  shareable: false,
  optional: false,
  driver: 'qemu',
  format: 'qcow2',
  discard: undefined,
  protocol: undefined,
  serial: undefined,
  backingImages: 0,
  ioTune: new Map(),
  throttleGroup: undefined,
};

const NO_HARDWARE: HardwareConfig = {
  cpuFeatures: new Map(),
  features: new Map(),
  firmware: new Map(),
  interfaces: [],
  graphics: [],
  tpms: [],
  controllers: [],
};

const device = (key: string, type: string): DeviceConfig => ({ key, settings: new Map([['@type', type]]) });

function config(changes: Partial<DomainConfig> = {}): DomainConfig {
  return {
    type: 'kvm',
    arch: 'x86_64',
    osType: 'hvm',
    machine: 'pc-q35-7.2',
    emulator: X86,
    bootFiles: { loader: undefined, nvram: undefined, nvramTemplate: undefined, isAutomatic: false },
    declaredOs: undefined,
    cpu: CPU,
    memoryBytes: 2 ** 30,
    memoryRoundingBytes: 2 ** 20,
    disks: [DISK],
    interfaces: [],
    hardware: NO_HARDWARE,
    nova: undefined,
    scsiControllers: [],
    hasHyperv: false,
    agentChannel: undefined,
    guestProbeOff: false,
    balloonPeriodSeconds: 10,
    ...changes,
  };
}

let domains = 0;

/** A running, persistent domain without changes; its process is visible and runs the installed emulator. */
function domain(name: string, changes: Partial<DomainSnapshot> = {}): DomainSnapshot {
  const number = ++domains;
  const current = 'current' in changes ? changes.current : config();
  // Of the other emulators libvirt does not report the version.
  const isDefault = current?.emulator === X86;
  const view: DomainView = {
    uuid: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
    name,
    id: number,
    state: RUNNING,
    reason: BOOTED_REASON,
    current,
    persistent: current,
    persistentAtStart: current,
    snapshots: { count: 0, oldestSeconds: undefined },
    events: NO_EVENTS,
    diskEvents: NO_DISK_EVENTS,
    problem: undefined,
    startedWithVersion: undefined,
    startObservedSeconds: undefined,
    startObserved: true,
    managedSave: 'none',
    ...changes,
    ...(isDefault ? {} : { startedWithVersion: undefined }),
  };
  const made = {
    process: {
      pid: 1_000 + number,
      startSeconds: BOOTED + 7_200 + number / 4,
      startAfterBootSeconds: 7_200 + number / 4,
      cpuSeconds: 0,
      binary: CURRENT,
      cpuSource: undefined,
    },
    loggedVersion: '7.2.22',
    rememberedVersion: undefined,
    emulatorFile: INSTALLED,
    installedVersion: isDefault ? '7.2.22' : undefined,
    nextStart: nextStart(view),
    guest: undefined,
    vcpus: undefined,
    processSample: undefined,
    blockedSeconds: undefined,
    measured: undefined,
    ...changes,
    ...view,
  };
  const startSeconds = made.id < 0 ? undefined : (made.process?.startSeconds ?? made.startObservedSeconds);
  return { startSeconds, ...made };
}

const efi = (loader: string): BootFiles => ({
  loader,
  nvram: undefined,
  nvramTemplate: undefined,
  isAutomatic: false,
});

function shutOff(name: string, current: DomainConfig, image?: ManagedSave): DomainSnapshot {
  const off = {
    id: -1,
    state: SHUT_OFF,
    reason: SHUTDOWN_REASON,
    persistent: undefined,
    process: undefined,
    loggedVersion: undefined,
    managedSave: image ?? 'none',
  } as const;
  const disks = current.disks.map((disk) => ({ ...disk, backingImages: undefined }));
  const config = { ...current, disks };
  return domain(name, { ...off, current: config, measured: SHUT_OFF_MEASURED });
}

/** A guest that swaps itself slow, as its agent and its balloon tell it. */
const THRASHING: GuestView = {
  agentUp: true,
  sample: {
    agentVersion: '7.2.22',
    os: {
      id: 'ubuntu',
      name: 'Ubuntu',
      prettyName: 'Ubuntu 20.04.6 LTS',
      version: '20.04.6 LTS (Focal Fossa)',
      versionId: '20.04',
      variant: undefined,
      variantId: undefined,
      kernelRelease: '5.4.0-126-generic',
      kernelVersion: '#142-Ubuntu SMP',
      machine: 'x86_64',
    },
    cpu: {
      user: 12.5,
      nice: 0,
      system: 30.25,
      idle: 100,
      iowait: 400.5,
      irq: 0,
      softirq: 1,
      steal: undefined,
    },
    memory: {
      totalBytes: 180_000_000,
      availableBytes: 9_000_000,
      swapTotalBytes: 268_431_360,
      swapUsedBytes: 120_000_512,
    },
    pressure: {
      io: { waitingSeconds: 300.5, stalledSeconds: 280 },
      cpu: { waitingSeconds: 4, stalledSeconds: undefined },
    },
    load: { load1: 2.5, load5: 1.25, load15: 0.5 },
    bootTimeSeconds: BOOTED + 7_300,
    kubernetesNode: true,
  },
  filesystems: [{ mountpoint: '/srv/"data"', fstype: 'ext4', totalBytes: 1_000, usedBytes: 10 }],
  missing: new Map(),
  lastProbe: { completedSeconds: BOOTED + 9_000.5, durationSeconds: 0.125 },
  errors: new Map([['busy', 2]]),
};

const FILES_FORBIDDEN: GuestView = {
  ...THRASHING,
  sample: THRASHING.sample && {
    ...THRASHING.sample,
    memory: undefined,
    pressure: undefined,
    load: undefined,
    bootTimeSeconds: undefined,
    kubernetesNode: undefined,
  },
  missing: new Map([
    ['memory', 'command_disabled'],
    ['swap', 'command_disabled'],
    ['pressure', 'command_disabled'],
    ['load', 'unsupported'],
  ]),
  errors: new Map([['command_disabled', 7]]),
};

const SILENT: GuestView = {
  ...NO_GUEST_VIEW,
  agentUp: false,
  missing: allUnavailable('agent_silent'),
  lastProbe: { completedSeconds: BOOTED + 9_000.5, durationSeconds: 5 },
  errors: new Map([['agent_silent', 3]]),
};

const DOMAINS: readonly DomainSnapshot[] = [
  domain('thrashing', {
    current: config({ declaredOs: 'http://ubuntu.com/ubuntu/18.04', agentChannel: 'connected' }),
    guest: THRASHING,
    measured: THRASHING_MEASURED,
    processSample: THROTTLED_PROCESS,
    blockedSeconds: 0,
  }),
  domain('agent-without-files', {
    current: config({
      declaredOs: 'http://ubuntu.com/ubuntu/20.04',
      agentChannel: 'connected',
      balloonPeriodSeconds: 0,
    }),
    guest: FILES_FORBIDDEN,
    measured: measured([
      ['balloon.current', 1_024],
      ['balloon.rss', 2_048],
    ]),
  }),
  domain('agent-silent', {
    current: config({ agentChannel: 'connected', balloonPeriodSeconds: undefined }),
    guest: SILENT,
  }),
  domain('guest-opted-out', {
    current: config({ agentChannel: 'connected', guestProbeOff: true }),
    guest: { ...NO_GUEST_VIEW, missing: allUnavailable('opted_out') },
  }),
  domain('old-machine', {
    current: config({ machine: 'pc-q35-3.1', declaredOs: 'http://ubuntu.com/ubuntu/18.04' }),
  }),
  domain('started-before-the-upgrade', {
    current: config({ machine: 'pc-q35-7.1', declaredOs: 'http://debian.org/debian/12' }),
    process: {
      pid: 7,
      startSeconds: BOOTED + 60.25,
      startAfterBootSeconds: 60.25,
      cpuSeconds: 0,
      binary: REPLACED,
      cpuSource: undefined,
    },
    loggedVersion: '7.2.9',
    events: { ...NO_EVENTS, rebooted: 2 },
  }),
  domain('security-update-only', {
    process: {
      pid: 8,
      startSeconds: BOOTED + 61,
      startAfterBootSeconds: 61,
      cpuSeconds: 0,
      binary: REPLACED,
      cpuSource: undefined,
    },
  }),
  domain('unprivileged-view', {
    process: {
      pid: 9,
      startSeconds: BOOTED + 62,
      startAfterBootSeconds: 62,
      cpuSeconds: 0,
      binary: undefined,
      cpuSource: undefined,
    },
    loggedVersion: undefined,
  }),
  shutOff('shut-off', config({ machine: 'pc-i440fx-2.11', declaredOs: 'http://example.org/unheard-of/1' })),
  shutOff('no-longer-offered', config({ machine: 'pc-i440fx-1.3' })),
  domain('transient', { persistent: undefined, loggedVersion: undefined }),
  domain('unreadable', {
    current: undefined,
    persistent: undefined,
    problem: { code: 'ERR_XML_SYNTAX', message: 'not well-formed' },
  }),
  domain('unreadable-since-yesterday', {
    problem: { code: 'ERR_LIBVIRT_TIMEOUT', message: 'no answer' },
    events: { ...NO_EVENTS, crashed: 1, panicked: 1, migrated: 1 },
  }),
  domain('unknown-machine', { current: config({ machine: 'made-up-board' }) }),
  domain('unknown-ubuntu-codename', { current: config({ machine: 'pc-q35-zzzebra' }) }),
  domain('machine-of-a-newer-host', { current: config({ machine: 'pc-q35-11.0' }) }),
  domain('unversioned-machine', { current: config({ machine: 'microvm' }) }),
  domain('everything-pending', {
    current: config({ machine: 'pc-q35-7.1', declaredOs: 'http://debian.org/debian/11' }),
    persistent: config({
      machine: 'q35',
      emulator: '/opt/qemu/bin/qemu-system-x86_64',
      declaredOs: 'http://debian.org/debian/12',
      cpu: { ...CPU, maximum: 4, current: 4 },
      memoryBytes: 2 ** 31,
      disks: [{ ...DISK, cache: 'none' }],
      hardware: {
        cpuFeatures: new Map(),
        features: new Map([['acpi', '']]),
        firmware: new Map([['@firmware', 'efi']]),
        interfaces: [device('52:54:00:00:00:01', 'interface')],
        graphics: [device('vnc', 'graphics')],
        tpms: [device('tpm', 'tpm')],
        controllers: [device('scsi:0', 'controller')],
      },
    }),
    snapshots: { count: 3, oldestSeconds: BOOTED },
  }),
  domain('paused', {
    state: PAUSED,
    reason: IO_ERROR,
    diskEvents: {
      ioErrors: new Map([['vda', { ...NO_IO_ERRORS, no_space: 3, other: 1 }]]),
      thresholds: new Map([['vda', 2]]),
      pausedBy: new Set(['vda']),
    },
    measured: measured([], {
      diskErrors: new Map([
        ['vda', 2],
        // Of an earlier pause.
        ['vdb', 1],
      ]),
    }),
    persistent: config({ machine: 'q35' }),
    process: undefined,
    loggedVersion: undefined,
    startedWithVersion: '7.2.22',
    startObservedSeconds: BOOTED + 9_000.5,
    events: { ...NO_EVENTS, started: 1, suspended: 3, resumed: 2, stopped: 4 },
  }),
  domain('32-bit', {
    current: config({ type: 'qemu', arch: 'i686', machine: 'pc-i440fx-1.7', emulator: I386 }),
    process: {
      pid: 11,
      startSeconds: BOOTED + 7_100,
      startAfterBootSeconds: 7_100,
      cpuSeconds: 0,
      binary: { ...CURRENT, path: I386 },
      cpuSource: undefined,
    },
    loggedVersion: undefined,
    startedWithVersion: '7.2.22',
  }),
  domain('own-emulator', {
    current: config({ machine: 'pc-q35-2.11', emulator: '/opt/qemu/bin/qemu-system-x86_64' }),
    process: {
      pid: 10,
      startSeconds: BOOTED + 7_000,
      startAfterBootSeconds: 7_000,
      cpuSeconds: 0,
      binary: { ...CURRENT, path: '/opt/qemu/bin/qemu-system-x86_64' },
      cpuSource: undefined,
    },
    loggedVersion: '9.2.0',
  }),
  domain('odd-devices', { current: config(ODD_DEVICES), measured: ODD_MEASURED }),
  domain('monitor-hangs', {
    measured: BUSY_MEASURED,
    processSample: SWAPPED_OUT_PROCESS,
    blockedSeconds: 45.5,
  }),
  domain('migrating', { measured: MIGRATING_MEASURED }),
  domain('quotes "and" \\backslash', { current: config({ declaredOs: 'http://debian.org/debian/12' }) }),
  domain('emoji 😀\nand a newline', {
    current: config({ emulator: '/opt/"qemu"\n😀', declaredOs: 'say "\\n"\u0007' }),
  }),
  domain('edited-to-what-is-offered', {
    current: config({ machine: 'pc-q35-2.8' }),
    persistent: config({ machine: 'pc-q35-7.2' }),
  }),
  domain('edited-to-what-is-gone', { persistent: config({ machine: 'pc-q35-2.8' }) }),
  shutOff('saved-on-what-is-gone', config(), { config: config({ machine: 'pc-q35-2.8' }) }),
  shutOff('saved-in-an-unreadable-image', config(), { config: undefined }),
  shutOff('emulator-gone', config({ emulator: '/usr/bin/kvm-spice' })),
  shutOff('firmware-gone', config({ bootFiles: efi('/usr/share/OVMF/OVMF_CODE.fd') })),
  shutOff('firmware', config({ bootFiles: efi('/usr/share/OVMF/OVMF_CODE_4M.fd') })),
  shutOff('emulator-being-replaced', config({ arch: 'aarch64', machine: 'virt-noble', emulator: ARM })),
  shutOff('machine-of-virtuozzo', config({ machine: 'pc-i440fx-vz7.3.0' })),
];

const END_OF_LIFE: Readonly<Record<string, number>> = {
  'http://ubuntu.com/ubuntu/18.04': Date.UTC(2023, 4, 31) / 1000,
  'http://debian.org/debian/12': Date.UTC(2028, 5, 30) / 1000,
};

/** A host with a domain of every kind that the collectors tell apart. */
export const FIXED_INVENTORY: Snapshot = {
  hypervisor: {
    version: '7.2.22',
    versionReadAt: 0,
    libvirtVersion: '9.0.0',
    capabilities: CAPABILITIES,
    problems: [],
  },
  // One more is shut off than is served.
  stateCounts: new Map([
    [RUNNING, 21],
    [PAUSED, 1],
    [SHUT_OFF, 10],
  ]),
  host: HOST,
  domains: DOMAINS,
  pools: POOLS,
  unmeasured: new Set(),
  endOfLife: (osId) => END_OF_LIFE[osId],
  isSameFile: () => false,
  isKnownOs: (osId) => SHIPPED_OSINFO.eolById.has(osId),
};
