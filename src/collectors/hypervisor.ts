import { isDeprecated } from '../drift/evaluate-machine-type.ts';
import { parseQemuVersion } from '../drift/qemu-release.ts';
import {
  countSupported,
  indexSupportedMachines,
  SUPPORT_STATUSES,
  type SupportedMachines,
  type SupportedType,
  type SupportStatus,
} from '../drift/supported-machines.ts';
import { listedEmulators } from '../inventory/capabilities.ts';
import type { HypervisorInfo } from '../inventory/hypervisor.ts';
import type { Collector } from '../metrics/collector.ts';
import {
  addBoolean,
  addSample,
  gauge,
  info,
  type MetricFamily,
  newFamily,
  sanitizeLabel,
} from '../metrics/metric-family.ts';
import { DOMAIN_STATES } from './domain-states.ts';
import { hasDeprecationMarks } from './supported-machines.ts';

const MARKS_NEEDED =
  "The emulator's own mark for `deprecated`: libvirt 8.0. On older releases QEMU's policy alone decides, for the " +
  "host's own architecture; the status of other types is `unknown`";

const INFO = info(
  'libvirt_hypervisor_info',
  'Version of the installed hypervisor, as last known, and version of the libvirt daemon; always 1.',
  ['driver', 'version', 'libvirt_version'],
);
const EMULATOR_AVAILABLE = gauge(
  'libvirt_hypervisor_emulator_available',
  'Whether libvirt could run the emulator when libvirt last examined it: 1 yes, 0 no, its version and machine types are ' +
    'the last known ones, for a day.',
  ['arch', 'emulator'],
);
const MACHINE_TYPES = gauge(
  'libvirt_hypervisor_machine_types',
  'Number of versioned machine types that the installed emulator supports, by architecture, family and status.',
  ['arch', 'family', 'status'],
  { values: { status: SUPPORT_STATUSES }, needs: MARKS_NEEDED },
);
const MACHINE_TYPE_INFO = info(
  'libvirt_hypervisor_machine_type_info',
  'Machine type that an installed emulator supports; aliases are left out; always 1.',
  ['arch', 'machine', 'family', 'version', 'status', 'emulator'],
  { values: { status: SUPPORT_STATUSES }, needs: MARKS_NEEDED },
);
const DOMAINS = gauge(
  'libvirt_domains',
  'Number of domains by libvirt state, active and inactive ones.',
  ['state'],
  {
    values: { state: DOMAIN_STATES },
  },
);

export const hypervisorCollector: Collector = {
  name: 'hypervisor',
  help: 'versions, supported machine types, number of domains by state',
  enabledByDefault: true,
  families: [INFO, EMULATOR_AVAILABLE, MACHINE_TYPES, MACHINE_TYPE_INFO, DOMAINS],
  collect: ({ hypervisor, stateCounts }) => [
    versions(hypervisor),
    ...emulators(hypervisor),
    domainCounts(stateCounts),
  ],
};

function versions(hypervisor: HypervisorInfo | undefined): MetricFamily {
  const family = newFamily(INFO);
  if (hypervisor !== undefined) {
    const { version = '', libvirtVersion = '' } = hypervisor;
    addSample(family, { driver: 'QEMU', version, libvirt_version: libvirtVersion }, 1);
  }
  return family;
}

function emulators(hypervisor: HypervisorInfo | undefined): readonly MetricFamily[] {
  const available = newFamily(EMULATOR_AVAILABLE);
  const counts = newFamily(MACHINE_TYPES);
  const types = newFamily(MACHINE_TYPE_INFO);
  const capabilities = hypervisor?.capabilities;
  const counted = new Set<string>();
  for (const listed of capabilities === undefined ? [] : listedEmulators(capabilities)) {
    if (!listed.isListed) continue;
    const { arch, emulator, isAvailable } = listed;
    const supported = indexSupportedMachines(listed.machines);
    const statusOf = createStatusOf(hypervisor, arch);
    addBoolean(available, { arch: sanitizeLabel(arch), emulator: sanitizeLabel(emulator) }, isAvailable);
    addTypes(types, { arch, emulator }, supported, statusOf);
    // The first emulator of an architecture is the one that libvirt starts domains with.
    if (!counted.has(arch)) addCounts(counts, arch, supported, statusOf);
    counted.add(arch);
  }
  return [available, counts, types];
}

function createStatusOf(
  hypervisor: HypervisorInfo | undefined,
  arch: string,
): (supported: SupportedType) => SupportStatus {
  // The installed version is that of the host architecture's emulator.
  const isHost = arch === hypervisor?.capabilities?.hostArch;
  const installed = isHost ? parseQemuVersion(hypervisor?.version ?? '') : undefined;
  const context = { arch, installed, hasMarks: hasDeprecationMarks(hypervisor) };
  return (supported) => {
    const deprecated = isDeprecated(supported, context);
    return deprecated === undefined ? 'unknown' : deprecated ? 'deprecated' : 'current';
  };
}

function addTypes(
  family: MetricFamily,
  { arch, emulator }: { readonly arch: string; readonly emulator: string },
  supported: SupportedMachines,
  statusOf: (supported: SupportedType) => SupportStatus,
): void {
  for (const each of supported.byName.values()) {
    const labels = {
      arch: sanitizeLabel(arch),
      machine: sanitizeLabel(each.type.machine),
      family: sanitizeLabel(each.type.family),
      version: sanitizeLabel(each.type.version),
      status: statusOf(each),
      emulator: sanitizeLabel(emulator),
    };
    addSample(family, labels, 1);
  }
}

function addCounts(
  family: MetricFamily,
  arch: string,
  supported: SupportedMachines,
  statusOf: (supported: SupportedType) => SupportStatus,
): void {
  for (const { family: machineFamily, status, count } of countSupported(supported, statusOf))
    addSample(family, { arch: sanitizeLabel(arch), family: sanitizeLabel(machineFamily), status }, count);
}

function domainCounts(stateCounts: ReadonlyMap<number, number>): MetricFamily {
  const family = newFamily(DOMAINS);
  for (const [number, state] of DOMAIN_STATES.entries()) {
    addSample(family, { state }, stateCounts.get(number) ?? 0);
  }
  return family;
}
