import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { scanOsEntities } from './os-entity.ts';
import type { OsinfoTable } from './osinfo-table.ts';

/** Directories of a host's database; libosinfo's docs/database-layout.txt has both, and the environment variables. */
interface OsinfoDirectories {
  /** Installed by the distribution's package osinfo-db. */
  readonly system: string;
  /** The administrator's own entries, which take priority. */
  readonly local: string;
}

export interface HostOsinfoDatabase extends OsinfoTable {
  /** The administrator's entries; not part of `eolById`. */
  readonly overlay: ReadonlyMap<string, string | null>;
  /** File names without extension, `ubuntu.com/ubuntu-20.04`, that the administrator blanked out. */
  readonly masked: ReadonlySet<string>;
}

interface ScannedTree {
  readonly eolById: Map<string, string | null>;
  readonly masked: Set<string>;
}

// The largest known copy has 972 files in 55 folders, none above 100 KiB.
const MAX_FILES = 10_000;
const MAX_FILE_BYTES = 512 * 1024;

/** The standard directories, or those of `OSINFO_SYSTEM_DIR` and `OSINFO_LOCAL_DIR`. */
export function osinfoDirectories(env: NodeJS.ProcessEnv = process.env): OsinfoDirectories {
  return {
    system: env.OSINFO_SYSTEM_DIR || '/usr/share/osinfo',
    local: env.OSINFO_LOCAL_DIR || '/etc/osinfo',
  };
}

/**
 * Reads the host's own copy of osinfo-db; `undefined` when there is none, which is common. Never rejects: a file that
 * cannot be read is left out.
 *
 * Called once, at the start of the program. Files are read synchronously, into one buffer, with a yield after each
 * folder: a thousand asynchronous reads take twenty times as long and twice the memory.
 */
export async function readHostOsinfoDatabase(
  directories: OsinfoDirectories = osinfoDirectories(),
): Promise<HostOsinfoDatabase | undefined> {
  const system = await scanTree(directories.system);
  const local = await scanTree(directories.local);
  if (system.eolById.size === 0 && local.eolById.size === 0 && local.masked.size === 0) {
    return undefined;
  }
  return {
    version: readVersion(directories.system),
    eolById: system.eolById,
    overlay: local.eolById,
    masked: local.masked,
  };
}

/** The file, without extension, that must hold an id: `ubuntu.com/ubuntu-20.04` (docs/database-layout.txt). */
export function entityFile(id: string): string {
  const [, domain = '', path = ''] = /^[a-z]{1,8}:\/\/([^/]*)\/?(.*)$/s.exec(id) ?? [];
  return `${domain}/${path.replace(/[^a-zA-Z0-9_.-]/g, '-')}`;
}

async function scanTree(root: string): Promise<ScannedTree> {
  const tree: ScannedTree = { eolById: new Map(), masked: new Set() };
  const base = join(root, 'os');
  const buffer = Buffer.allocUnsafeSlow(MAX_FILE_BYTES);
  let budget = MAX_FILES;
  for (const domain of list(base)) {
    const files = entityFiles(join(base, domain)).slice(0, budget);
    budget -= files.length;
    for (const file of files) {
      scanFile(tree, join(base, domain, file), `${domain}/${file}`, buffer);
    }
    await setImmediate();
  }
  return tree;
}

/** NAME.xml first, then NAME.d/*.xml, which augment them. */
function entityFiles(folder: string): string[] {
  const names = list(folder);
  const extensions = names
    .filter((name) => name.endsWith('.d'))
    .flatMap((name) => list(join(folder, name)).map((file) => `${name}/${file}`));
  return [...names, ...extensions].filter((name) => name.endsWith('.xml'));
}

function scanFile(tree: ScannedTree, path: string, name: string, buffer: Buffer): void {
  const augments = name.includes('.d/');
  const xml = readBounded(path, buffer);
  if (xml === '' && !augments) {
    tree.masked.add(name.replace(/\.xml$/, ''));
    return;
  }
  for (const { id, eol } of scanOsEntities(xml ?? '')) {
    tree.eolById.set(id, eol ?? (augments ? (tree.eolById.get(id) ?? null) : null));
  }
}

/** The file's text; `''` for an empty file or a link to /dev/null; `undefined` for one that cannot be read or is too large. */
function readBounded(path: string, buffer: Buffer): string | undefined {
  let fd: number | undefined;
  try {
    // Non-blocking: opening a FIFO would otherwise block the program until someone writes to it.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = fstatSync(fd);
    if (found.isCharacterDevice()) {
      return '';
    }
    if (!found.isFile() || found.size > buffer.length) {
      return undefined;
    }
    // Ids and dates are ASCII; as latin1 the translated names around them stay one byte per character.
    return buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) {
      closeSync(fd);
    }
  }
}

function readVersion(root: string): string {
  const text = readBounded(join(root, 'VERSION'), Buffer.allocUnsafe(64)) ?? '';
  return /^\s*(\d{8})/.exec(text)?.[1] ?? '';
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
