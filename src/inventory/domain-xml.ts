import { parseBootFiles } from './boot-files.ts';
import { parseDisk } from './disk-xml.ts';
import type { CpuConfig, CpuTopology, DomainConfig } from './domain-config.ts';
import { parseHardware } from './hardware-xml.ts';
import { parseInterface } from './interface-xml.ts';
import { parseNova } from './nova-xml.ts';
import { attribute, child, children, parseXml, type XmlElement, XmlError } from './xml.ts';

const LIBOSINFO_NAMESPACE = 'http://libosinfo.org/xmlns/libvirt/domain/1.0';

/** Namespace of the exporter's own metadata, which a domain's owner writes: see docs/guests.md#opting-out. */
export const OWN_NAMESPACE = 'https://github.com/libvirt-drift-exporter/ns/domain/1.0';
const AGENT_CHANNEL = 'org.qemu.guest_agent.0';

/** PATH_MAX; longer strings are cut, and are long enough to be compared. */
const MAX_STRING = 4096;

/**
 * Parses a libvirt domain document, live or inactive. Values that are missing or invalid are undefined; strings that libvirt
 * always writes are empty.
 * @throws XmlError when the text is not well-formed or its root is not `<domain>`
 */
export function parseDomainXml(text: string): DomainConfig {
  const domain = parseXml(text);
  if (domain.name !== 'domain') {
    throw new XmlError(
      'ERR_XML_UNEXPECTED',
      `expected a <domain> document, got <${domain.name.slice(0, 64)}>`,
    );
  }
  const osType = child(child(domain, 'os'), 'type');
  const devices = child(domain, 'devices');
  const arch = bounded(attribute(osType, 'arch')) ?? '';
  return {
    type: attribute(domain, 'type') ?? '',
    arch,
    osType: bounded(osType?.text) ?? '',
    machine: bounded(attribute(osType, 'machine')) ?? '',
    emulator: bounded(child(devices, 'emulator')?.text),
    bootFiles: parseBootFiles(child(domain, 'os')),
    declaredOs: declaredOs(child(domain, 'metadata')),
    cpu: cpuConfig(domain),
    memoryBytes: memoryBytes(child(domain, 'memory')),
    memoryRoundingBytes: memoryRoundingBytes(domain, arch),
    disks: children(devices, 'disk').flatMap((disk) => parseDisk(disk, bounded) ?? []),
    interfaces: children(devices, 'interface').map((element) => parseInterface(element, bounded)),
    scsiControllers: scsiControllers(devices),
    hasHyperv: hasHyperv(child(child(domain, 'features'), 'hyperv')),
    agentChannel: agentChannel(devices),
    guestProbeOff: guestProbeOff(child(domain, 'metadata')),
    balloonPeriodSeconds: balloonPeriod(devices),
    nova: parseNova(child(domain, 'metadata'), bounded),
    hardware: parseHardware(domain, bounded),
  };
}

function scsiControllers(devices: XmlElement | undefined): readonly string[] {
  return children(devices, 'controller')
    .filter((controller) => attribute(controller, 'type') === 'scsi')
    .flatMap((controller) => bounded(attribute(controller, 'model')) ?? []);
}

/** Modes other than `custom` take the enlightenments from the host. */
function hasHyperv(hyperv: XmlElement | undefined): boolean {
  if (hyperv === undefined) return false;
  if ((attribute(hyperv, 'mode') ?? 'custom') !== 'custom') return true;
  return hyperv.children.some((feature) => attribute(feature, 'state') === 'on');
}

/** Only live XML has the channel's state; a channel without a state is not connected. */
function agentChannel(devices: XmlElement | undefined): DomainConfig['agentChannel'] {
  const targets = children(devices, 'channel').map((channel) => child(channel, 'target'));
  const agent = targets.find((target) => attribute(target, 'name') === AGENT_CHANNEL);
  if (agent === undefined) return undefined;
  return attribute(agent, 'state') === 'connected' ? 'connected' : 'disconnected';
}

function guestProbeOff(metadata: XmlElement | undefined): boolean {
  return children(metadata, 'guest', OWN_NAMESPACE).some((guest) => attribute(guest, 'probe') === 'off');
}

function balloonPeriod(devices: XmlElement | undefined): number | undefined {
  const balloon = child(devices, 'memballoon');
  if (balloon === undefined || attribute(balloon, 'model') === 'none') return undefined;
  return count(attribute(child(balloon, 'stats'), 'period')) ?? 0;
}

function declaredOs(metadata: XmlElement | undefined): string | undefined {
  const systems = children(metadata, 'libosinfo', LIBOSINFO_NAMESPACE).flatMap((it) =>
    children(it, 'os', LIBOSINFO_NAMESPACE),
  );
  return systems.map((os) => bounded(attribute(os, 'id')?.trim())).find((id) => id !== undefined);
}

function cpuConfig(domain: XmlElement): CpuConfig {
  const cpu = child(domain, 'cpu');
  const vcpu = child(domain, 'vcpu');
  const maximum = count(vcpu?.text);
  return {
    mode: bounded(attribute(cpu, 'mode')),
    model: bounded(child(cpu, 'model')?.text),
    vendor: bounded(child(cpu, 'vendor')?.text),
    match: bounded(attribute(cpu, 'match')),
    check: bounded(attribute(cpu, 'check')),
    topology: topology(child(cpu, 'topology')),
    maximum,
    current: count(attribute(vcpu, 'current')) ?? maximum,
  };
}

function topology(element: XmlElement | undefined): CpuTopology | undefined {
  if (element === undefined) return undefined;
  const level = (name: string) => count(attribute(element, name)) ?? 1;
  return {
    sockets: level('sockets'),
    dies: level('dies'),
    clusters: level('clusters'),
    cores: level('cores'),
    threads: level('threads'),
  };
}

const MIB = 1024 * 1024;

/**
 * At start libvirt rounds each NUMA cell and each memory device up (qemuDomainAlignMemorySizes): on ppc64 to 256 MiB,
 * elsewhere cells to 1 MiB and devices to 2 MiB.
 */
function memoryRoundingBytes(domain: XmlElement, arch: string): number {
  const cells = Math.max(1, children(child(child(domain, 'cpu'), 'numa'), 'cell').length);
  const modules = children(child(domain, 'devices'), 'memory').length;
  return arch.startsWith('ppc64') ? (cells + modules) * 256 * MIB : (cells + 2 * modules) * MIB;
}

// Powers of 1000 and 1024 as libvirt reads them (virScaleInteger in src/util/virutil.c), case-insensitive.
const UNIT_SUFFIX = /^(?:b|bytes?|([kmgtpe])(b|ib)?)$/i;
const UNIT_PREFIXES = 'kmgtpe';

/** Bytes; undefined when absent, not a number, of an unknown unit, or not a safe integer. */
function memoryBytes(element: XmlElement | undefined): number | undefined {
  const amount = count(element?.text);
  const unit = UNIT_SUFFIX.exec(attribute(element, 'unit') ?? 'KiB');
  if (amount === undefined || unit === null) return undefined;
  const [, prefix = '', suffix = ''] = unit;
  const power = prefix === '' ? 0 : UNIT_PREFIXES.indexOf(prefix.toLowerCase()) + 1;
  const bytes = amount * (suffix.toLowerCase() === 'b' ? 1000 : 1024) ** power;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function count(text: string | undefined): number | undefined {
  if (text === undefined || !/^\s*\d{1,16}\s*$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The string, cut to {@link MAX_STRING}; undefined when absent or empty. */
function bounded(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text.slice(0, MAX_STRING);
}
