import { attribute, child, children, parseXml, type XmlElement, XmlError } from './xml.ts';

/** The part of libvirt's capabilities document that lists emulators and their machine types. */
export interface Capabilities {
  /** Architecture of the host, for example x86_64. */
  readonly hostArch: string | undefined;
  readonly guests: readonly GuestCapabilities[];
}

/** One `<guest>`: an OS type and architecture with the domain types that can run it. */
interface GuestCapabilities {
  readonly arch: string;
  readonly osType: string;
  readonly domains: readonly DomainTypeCapabilities[];
}

/** One `<domain type=…>` with the values that it inherits from its `<arch>`. */
interface DomainTypeCapabilities {
  /** kvm, qemu, xen, … */
  readonly type: string;
  /** Path of the binary; undefined when the document names none. */
  readonly emulator: string | undefined;
  readonly machines: readonly MachineRow[];
}

/** One `<machine>` of an emulator. */
export interface MachineRow {
  readonly name: string;
  /** The name that an alias stands for; undefined for rows that are no alias. */
  readonly canonical: string | undefined;
  readonly deprecated: boolean;
}

interface MachineQuery {
  readonly arch: string;
  readonly domainType: string;
  /** Path in the domain's XML; undefined for the default emulator of the architecture and domain type. */
  readonly emulator: string | undefined;
}

/**
 * Parses a capabilities document.
 * @throws XmlError when the text is not well-formed or its root is not `<capabilities>`
 */
export function parseCapabilities(text: string): Capabilities {
  const root = parseXml(text);
  if (root.name !== 'capabilities') {
    throw new XmlError(
      'ERR_XML_UNEXPECTED',
      `expected a <capabilities> document, got <${root.name.slice(0, 64)}>`,
    );
  }
  return {
    hostArch: child(child(child(root, 'host'), 'cpu'), 'arch')?.text,
    guests: children(root, 'guest').flatMap((guest) =>
      children(guest, 'arch').map((arch) => guestCapabilities(arch, child(guest, 'os_type')?.text ?? '')),
    ),
  };
}

/**
 * The machine types that an emulator supports; undefined, for unknown, when the emulator is not in the capabilities.
 * Paths are compared as written, see {@link withEmulatorPaths}.
 */
export function machinesFor(
  capabilities: Capabilities,
  query: MachineQuery,
): readonly MachineRow[] | undefined {
  const ofArch = capabilities.guests
    .filter((guest) => guest.arch === query.arch)
    .flatMap((guest) => guest.domains);
  const candidates = ofArch.filter(
    (domain) => query.emulator === undefined || domain.emulator === query.emulator,
  );
  // One binary supports the same machines with every accelerator, so the list of another domain type is right as well.
  const fallback = query.emulator === undefined ? undefined : candidates[0];
  return (candidates.find((domain) => domain.type === query.domainType) ?? fallback)?.machines;
}

/** Paths of the emulators known for an architecture, each once. */
export function emulatorsOf(capabilities: Capabilities, arch: string): readonly string[] {
  const paths = capabilities.guests
    .filter((guest) => guest.arch === arch)
    .flatMap((guest) => guest.domains.flatMap((domain) => domain.emulator ?? []));
  return [...new Set(paths)];
}

/**
 * Returns the capabilities with emulators under additional paths; `targets` maps each additional path to the emulator's path
 * in the document.
 */
export function withEmulatorPaths(
  capabilities: Capabilities,
  targets: ReadonlyMap<string, string>,
): Capabilities {
  const additional = ({ domains }: GuestCapabilities): readonly DomainTypeCapabilities[] =>
    [...targets].flatMap(([path, target]) =>
      domains.filter(({ emulator }) => emulator === target).map((domain) => ({ ...domain, emulator: path })),
    );
  return {
    ...capabilities,
    guests: capabilities.guests.map((guest) => ({
      ...guest,
      domains: [...guest.domains, ...additional(guest)],
    })),
  };
}

/** Returns the canonical name of an alias among these rows, and any other name unchanged. */
export function canonicalMachine(rows: readonly MachineRow[] | undefined, machine: string): string {
  return rows?.find((row) => row.name === machine)?.canonical ?? machine;
}

function guestCapabilities(arch: XmlElement, osType: string): GuestCapabilities {
  const emulator = child(arch, 'emulator')?.text;
  const machines = children(arch, 'machine').map(machineRow);
  return {
    arch: attribute(arch, 'name') ?? '',
    osType,
    domains: children(arch, 'domain').map((domain) => {
      const own = children(domain, 'machine').map(machineRow);
      return {
        type: attribute(domain, 'type') ?? '',
        emulator: child(domain, 'emulator')?.text ?? emulator,
        machines: own.length > 0 ? own : machines,
      };
    }),
  };
}

function machineRow(machine: XmlElement): MachineRow {
  return {
    name: machine.text,
    canonical: attribute(machine, 'canonical'),
    deprecated: attribute(machine, 'deprecated') === 'yes',
  };
}
