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
  /**
   * Since when libvirt has not been able to run the emulator, in seconds since the Unix epoch: the machines are those of
   * before. Undefined while libvirt can.
   */
  readonly lostSinceSeconds: number | undefined;
  /** The emulator's path in libvirt's document, of an entry that {@link withEmulatorPaths} added. */
  readonly standsFor?: string;
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
    hostArch: child(child(child(root, 'host'), 'cpu'), 'arch')?.text || undefined,
    guests: children(root, 'guest').flatMap((guest) =>
      children(guest, 'arch').flatMap((arch) => {
        const name = attribute(arch, 'name') ?? '';
        const osType = child(guest, 'os_type')?.text ?? '';
        return name === '' ? [] : [guestCapabilities(name, arch, osType)];
      }),
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
      domains
        .filter(({ emulator }) => emulator === target)
        .map((domain) => ({ ...domain, emulator: path, standsFor: target })),
    );
  return {
    ...capabilities,
    guests: capabilities.guests.map((guest) => ({
      ...guest,
      domains: [...guest.domains, ...additional(guest)],
    })),
  };
}

/**
 * Returns new capabilities with the emulators of earlier ones that the new document lacks. libvirt leaves an emulator out
 * while the emulator cannot be run, as in the middle of a package upgrade. An emulator that was removed stays for as long as
 * well, because libvirt's document does not distinguish the two.
 *
 * @param nowSeconds the time of the new document, in seconds since the Unix epoch
 * @param keepSeconds how long a lost emulator is kept
 */
export function withLostEmulators(
  fresh: Capabilities,
  before: Capabilities | undefined,
  nowSeconds: number,
  keepSeconds: number,
): Capabilities {
  const runs = new Set(
    fresh.guests.flatMap(({ arch, domains }) =>
      domains.flatMap(({ emulator, machines }) => (machines.length > 0 ? [`${arch} ${emulator}`] : [])),
    ),
  );
  const lost = (before?.guests ?? []).flatMap((guest) => {
    const domains = guest.domains
      .filter(({ emulator, machines }) => machines.length > 0 && !runs.has(`${guest.arch} ${emulator}`))
      .map((domain) => ({ ...domain, lostSinceSeconds: domain.lostSinceSeconds ?? nowSeconds }))
      .filter(({ lostSinceSeconds }) => nowSeconds - lostSinceSeconds < keepSeconds);
    return domains.length === 0 ? [] : [{ ...guest, domains }];
  });
  return { hostArch: fresh.hostArch ?? before?.hostArch, guests: [...fresh.guests, ...lost] };
}

/** One emulator of one architecture. */
export interface ListedEmulator {
  readonly arch: string;
  readonly emulator: string;
  /** Whether libvirt could run the emulator when libvirt last examined it. */
  readonly isAvailable: boolean;
  /** Whether libvirt's document has this path, which may also be another name of a path in the document. */
  readonly isListed: boolean;
  readonly machines: readonly MachineRow[];
}

/** The emulators of all architectures, each once: one binary supports the same machines with every accelerator. */
export function listedEmulators(capabilities: Capabilities): readonly ListedEmulator[] {
  const emulators = new Map<string, ListedEmulator>();
  for (const { arch, domains } of capabilities.guests) {
    for (const { emulator, lostSinceSeconds, machines, standsFor } of domains) {
      if (emulator === undefined || machines.length === 0) continue;
      const isAvailable = lostSinceSeconds === undefined;
      const key = `${arch} ${emulator}`;
      const known = emulators.get(key);
      if (known === undefined || (isAvailable && !known.isAvailable))
        emulators.set(key, { arch, emulator, isAvailable, isListed: standsFor === undefined, machines });
    }
  }
  return [...emulators.values()];
}

/** Returns the canonical name of an alias among these rows, and any other name unchanged. */
export function canonicalMachine(rows: readonly MachineRow[] | undefined, machine: string): string {
  return rows?.find((row) => row.name === machine)?.canonical ?? machine;
}

function guestCapabilities(name: string, arch: XmlElement, osType: string): GuestCapabilities {
  const emulator = child(arch, 'emulator')?.text || undefined;
  const machines = machineRows(arch);
  return {
    arch: name,
    osType,
    domains: children(arch, 'domain').map((domain) => {
      const own = machineRows(domain);
      return {
        type: attribute(domain, 'type') ?? '',
        emulator: child(domain, 'emulator')?.text || emulator,
        machines: own.length > 0 ? own : machines,
        lostSinceSeconds: undefined,
      };
    }),
  };
}

/** Names of machine types are printable ASCII. Others cannot be started, and could make two series of one. */
const MACHINE_NAME = /^[!-~]{1,256}$/;

function machineRows(parent: XmlElement): readonly MachineRow[] {
  const named = (name: string | undefined) => (MACHINE_NAME.test(name ?? '') ? name : undefined);
  return children(parent, 'machine')
    .filter(({ text }) => named(text) !== undefined)
    .map((machine) => ({
      name: machine.text,
      canonical: named(attribute(machine, 'canonical')),
      deprecated: attribute(machine, 'deprecated') === 'yes',
    }));
}
