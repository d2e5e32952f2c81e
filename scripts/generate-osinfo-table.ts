// Writes src/osinfo/table.generated.ts from osinfo-db.
//
//   tsx scripts/generate-osinfo-table.ts               the newest that Debian sid or Ubuntu's development has
//   tsx scripts/generate-osinfo-table.ts --from DIR    a tree such as /usr/share/osinfo
//
// The download needs apt, dpkg-deb and Debian's archive key. It changes nothing on the host: apt gets its
// own sources, state and cache in a temporary folder.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { XMLParser } from 'fast-xml-parser';

interface Tree {
  readonly root: string;
  readonly source: string;
}

interface OsElement {
  readonly '@id'?: string;
  readonly 'eol-date'?: string | readonly string[];
}

const OUTPUT = fileURLToPath(new URL('../src/osinfo/table.generated.ts', import.meta.url));
const DEBIAN_KEY = '/usr/share/keyrings/debian-archive-keyring.gpg';

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: false,
  isArray: (name) => name === 'os',
});

function aptFolder(work: string, name: string, line: string): readonly string[] {
  const root = join(work, name);
  mkdirSync(join(root, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(root, 'cache', 'archives', 'partial'), { recursive: true });
  writeFileSync(join(root, 'sources.list'), `${line}\n`);
  writeFileSync(join(root, 'status'), '');
  const options = [
    `Dir::Etc::sourcelist=${root}/sources.list`,
    'Dir::Etc::sourceparts=-',
    `Dir::State=${root}`,
    `Dir::State::Lists=${root}/lists`,
    `Dir::State::status=${root}/status`,
    `Dir::Cache=${root}/cache`,
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  execFileSync('apt-get', [...options, '-q', 'update'], { stdio: ['ignore', 'ignore', 'inherit'] });
  return options;
}

/** Downloads and unpacks a package; returns the folder, and the package's file name. */
function unpack(work: string, options: readonly string[], name: string): { root: string; file: string } {
  const folder = mkdtempSync(join(work, 'package-'));
  execFileSync('apt-get', [...options, '-q', 'download', name], { cwd: folder, stdio: 'ignore' });
  const file = readdirSync(folder).find((entry) => entry.endsWith('.deb'));
  if (file === undefined) {
    throw new Error(`apt-get download left no package of ${name}`);
  }
  const root = join(folder, 'root');
  execFileSync('dpkg-deb', ['-x', join(folder, file), root]);
  return { root, file };
}

function download(work: string): Tree {
  const debian = aptFolder(
    work,
    'debian',
    `deb [signed-by=${DEBIAN_KEY}] http://deb.debian.org/debian sid main`,
  );
  // Ubuntu packages osinfo-db's git more often. Debian vouches for Ubuntu's archive key.
  const keys = join(
    unpack(work, debian, 'ubuntu-keyring').root,
    'usr/share/keyrings/ubuntu-archive-keyring.gpg',
  );
  const ubuntu = aptFolder(
    work,
    'ubuntu',
    `deb [signed-by=${keys}] http://archive.ubuntu.com/ubuntu devel main universe`,
  );
  const trees = (
    [
      ['Debian', debian],
      ['Ubuntu', ubuntu],
    ] as const
  ).map(([archive, options]) => {
    const { root, file } = unpack(work, options, 'osinfo-db');
    return { root: join(root, 'usr/share/osinfo'), source: `${archive}, ${decodeURIComponent(file)}` };
  });
  const newest = trees.sort((a, b) => readVersion(a.root).localeCompare(readVersion(b.root))).at(-1);
  if (newest === undefined) {
    throw new Error('no archive has osinfo-db');
  }
  return newest;
}

function readVersion(root: string): string {
  return readFileSync(join(root, 'VERSION'), 'utf8').trim();
}

function readTable(root: string): Map<string, string | null> {
  const folder = join(root, 'os');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const table = new Map<string, string | null>();
  for (const file of files.filter((name) => name.endsWith('.xml')).sort()) {
    const document: { libosinfo?: { os?: readonly OsElement[] } } = parser.parse(
      readFileSync(join(folder, file), 'utf8'),
    );
    for (const os of document.libosinfo?.os ?? []) {
      const id = os['@id'];
      if (id === undefined) {
        throw new Error(`${file}: an os without id`);
      }
      const eol = [os['eol-date'] ?? []].flat().at(0)?.trim();
      if (eol !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(eol)) {
        throw new Error(`${file}: eol-date ${eol}`);
      }
      // NAME.d/*.xml repeat an id to add to it, mostly without the date.
      table.set(id, eol ?? table.get(id) ?? null);
    }
  }
  return table;
}

function render(version: string, source: string, table: ReadonlyMap<string, string | null>): string {
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const rows = [...table].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    '// biome-ignore-all format: generated',
    '// Generated by scripts/generate-osinfo-table.ts; do not edit.',
    `// osinfo-db ${version} (${source}), ${rows.length} systems, ${rows.filter(([, eol]) => eol !== null).length} with a date.`,
    `// Written ${new Date().toISOString().slice(0, 10)}. osinfo-db is a work of the libosinfo project: https://libosinfo.org`,
    "import type { OsinfoTable } from './osinfo-table.ts';",
    '',
    '/** The copy of osinfo-db inside this program. */',
    'export const SHIPPED_OSINFO: OsinfoTable = {',
    `  version: ${quote(version)},`,
    '  eolById: new Map<string, string | null>([',
    ...rows.map(([id, eol]) => `    [${quote(id)}, ${eol === null ? 'null' : quote(eol)}],`),
    '  ]),',
    '};',
    '',
  ].join('\n');
}

const { values } = parseArgs({ options: { from: { type: 'string' } } });
const work = mkdtempSync(join(tmpdir(), 'osinfo-table-'));
try {
  const tree = values.from === undefined ? download(work) : { root: values.from, source: 'local tree' };
  const version = readVersion(tree.root);
  const table = readTable(tree.root);
  writeFileSync(OUTPUT, render(version, tree.source, table));
  console.log(`osinfo-db ${version} from ${tree.source}: ${table.size} systems`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
