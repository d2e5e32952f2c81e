import { readdir, rm } from 'node:fs/promises';
import { forEachLimited } from '../src/concurrency.ts';
import { RIG_PREFIX } from './domain-xml.ts';
import { destroyGuest, isRigDomain, undefineGuest } from './domains.ts';
import { CONSOLE_DIR, DISK_DIR, STATE_DIR } from './paths.ts';
import { listDomainNames } from './virsh.ts';

const LOOKUPS = 4;
/** A QEMU takes up to two seconds to end and no processor time. */
const REMOVALS = 16;

/** The rig's domains whose names begin with `prefix`. */
export async function rigDomainNames(
  prefix: string = RIG_PREFIX,
  ...flags: readonly string[]
): Promise<string[]> {
  if (!prefix.startsWith(RIG_PREFIX)) throw new Error(`prefix "${prefix}" does not begin with ${RIG_PREFIX}`);
  const candidates = await listDomainNames(...(flags.length > 0 ? flags : ['--all']));
  const names: string[] = [];
  await forEachLimited(candidates, LOOKUPS, async (name) => {
    if (name.startsWith(prefix) && (await isRigDomain(name))) names.push(name);
  });
  return names.sort();
}

/**
 * Removes the rig's domains whose names begin with `prefix`, their disks and console logs, also those of a run that
 * crashed. Domains without the rig's mark stay.
 */
export async function cleanUp(prefix: string = RIG_PREFIX): Promise<string[]> {
  const removed: string[] = [];
  // A start that was under way when its rig ended can still make a domain.
  for (let round = 0; round < 3; round += 1) {
    const names = await rigDomainNames(prefix);
    if (names.length === 0) break;
    await forEachLimited(names, REMOVALS, async (name) => {
      await destroyGuest(name);
      await undefineGuest(name);
      removed.push(name);
    });
  }
  const left = new Set(await listDomainNames('--all'));
  for (const dir of [DISK_DIR, CONSOLE_DIR, STATE_DIR]) await removeFiles(dir, prefix, left);
  return removed;
}

/** A run that ended between making a disk and defining its domain leaves files without a domain. */
async function removeFiles(dir: string, prefix: string, kept: ReadonlySet<string>): Promise<void> {
  const files = await readdir(dir, { withFileTypes: true }).catch(() => []);
  for (const file of files) {
    const match = /^(.+)\.(img|log|xml)$/.exec(file.name);
    const name = match?.[1];
    if (!file.isFile() || name === undefined || !name.startsWith(prefix) || kept.has(name)) continue;
    await rm(`${dir}/${file.name}`, { force: true });
  }
}
