import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { consolePath, diskPath, domainXml, type GuestSpec, RIG_NAMESPACE, RIG_PREFIX } from './domain-xml.ts';
import { CONSOLE_DIR, DISK_DIR, STATE_DIR } from './paths.ts';
import { virsh } from './virsh.ts';

/** QEMU starts within two seconds, unless many start at once on few processors. */
const START_TIMEOUT_MS = 120_000;
const NO_DOMAIN: readonly string[] = ['failed to get domain', 'Domain not found'];

/**
 * Defines the domain and makes its disk; does not start it. A domain that exists is redefined: while it runs it keeps its
 * disk, and the new configuration is that of its next start.
 */
export async function defineGuest(spec: GuestSpec): Promise<void> {
  assertRigName(spec.name);
  await Promise.all([mkdir(DISK_DIR, { recursive: true }), mkdir(CONSOLE_DIR, { recursive: true })]);
  const uuid = await uuidOf(spec.name);
  if (uuid !== undefined && !(await isRigDomain(spec.name))) {
    throw new Error(`there is a domain ${spec.name} that the rig did not define`);
  }
  if (uuid === undefined || (await domainState(spec.name)) === 'shut off') await makeDisk(spec);
  await defineXml(spec.name, domainXml(spec, uuid));
}

/**
 * Defines a domain from the caller's XML. It needs a name and a mark of the rig, by which clean-up finds it.
 */
export async function defineXml(name: string, xml: string): Promise<void> {
  assertRigName(name);
  if (!xml.includes(RIG_NAMESPACE)) throw new Error(`${name}: the XML lacks the rig's marker`);
  const file = `${STATE_DIR}/${name}.xml`;
  await mkdir(STATE_DIR, { recursive: true });
  await writeFile(file, xml);
  try {
    await virsh(['define', file]);
  } finally {
    await rm(file, { force: true });
  }
}

export async function startGuest(name: string): Promise<void> {
  assertRigName(name);
  await virsh(['start', name], { timeoutMs: START_TIMEOUT_MS });
}

/** Ends the domain's QEMU at once; does nothing when the domain does not run. */
export async function destroyGuest(name: string): Promise<void> {
  assertRigName(name);
  try {
    // libvirt waits some 15 s for a QEMU in state T before it kills it.
    await virsh(['destroy', name], { timeoutMs: 60_000 });
  } catch (error) {
    if (!says(error, 'domain is not running', ...NO_DOMAIN)) throw error;
  }
}

/** Removes the definition, the disk and the console log; does nothing when there is no such domain. */
export async function undefineGuest(name: string): Promise<void> {
  assertRigName(name);
  try {
    await virsh([
      'undefine',
      name,
      '--managed-save',
      '--snapshots-metadata',
      '--checkpoints-metadata',
      '--nvram',
    ]);
  } catch (error) {
    if (!says(error, ...NO_DOMAIN)) throw error;
  }
  await Promise.all([rm(diskPath(name), { force: true }), rm(consolePath(name), { force: true })]);
}

/** Defines and starts a domain. */
export async function runGuest(spec: GuestSpec): Promise<void> {
  await defineGuest(spec);
  await startGuest(spec.name);
}

export async function dumpXml(name: string, ...flags: readonly string[]): Promise<string> {
  return virsh(['dumpxml', name, ...flags]);
}

export async function domainState(name: string): Promise<string> {
  return (await virsh(['domstate', name])).trim();
}

/** The domain's uuid; undefined when there is no such domain. */
async function uuidOf(name: string): Promise<string | undefined> {
  try {
    return (await virsh(['domuuid', name])).trim();
  } catch (error) {
    if (says(error, ...NO_DOMAIN)) return undefined;
    throw error;
  }
}

/** Whether the rig defined this domain: by its name and by its mark. */
export async function isRigDomain(name: string): Promise<boolean> {
  if (!name.startsWith(RIG_PREFIX)) return false;
  try {
    await virsh(['metadata', name, '--uri', RIG_NAMESPACE]);
    return true;
  } catch (error) {
    if (says(error, 'metadata not found', 'metadata element is not present', ...NO_DOMAIN)) return false;
    throw error;
  }
}

function assertRigName(name: string): void {
  // Files are named after the domain: a slash would lead out of the rig's folder.
  if (!/^rig-[^/\n]+$/.test(name)) {
    throw new Error(
      `"${name}" is no name for a domain of the rig: it must begin with ${RIG_PREFIX} and have no slash`,
    );
  }
}

function says(error: unknown, ...phrases: readonly string[]): boolean {
  return error instanceof Error && phrases.some((phrase) => error.message.includes(phrase));
}

async function makeDisk({ name, disk }: GuestSpec): Promise<void> {
  if (disk === undefined) return;
  const path = diskPath(name);
  // A new file: a crashed run may have left a disk.
  await rm(path, { force: true });
  const file = await open(path, 'w', 0o600);
  try {
    await file.truncate(disk.sizeMiB * 1024 * 1024);
    if (disk.content !== undefined) await file.write(disk.content, 0, disk.content.length, 0);
  } finally {
    await file.close();
  }
}
