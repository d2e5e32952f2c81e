import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { destroyGuest, runGuest, undefineGuest } from '../../testbed/domains.ts';
import { run } from '../../testbed/exec.ts';
import { startProgram } from '../../testbed/exporter-process.ts';
import { haltedGuest } from '../../testbed/halted-guest.ts';
import { makeUnprivilegedProgram } from '../support/unprivileged-program.ts';

const NAME = 'libvirt-drift-exporter';
const SOURCE = fileURLToPath(new URL('../../deploy/systemd/', import.meta.url));
const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const MOST_EXPOSURE = 3;

let directory: string;
let text: string;

/** Copies the unit, with or without the drop-in, and puts the path of this machine's Node into it. */
async function install(folder: string, dropIn: boolean): Promise<string> {
  const unit = join(directory, folder, `${NAME}.service`);
  await mkdir(`${unit}.d`, { recursive: true });
  await writeFile(unit, text.replace('ExecStart=node ', `ExecStart=${process.execPath} `));
  if (dropIn) await copyFile(`${SOURCE}guest-probes.conf`, join(`${unit}.d`, 'guest-probes.conf'));
  return unit;
}

/** Values of a setting, which may be given more than once. */
function settings(key: string): string[] {
  return [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'systemd-'));
  text = await readFile(`${SOURCE}${NAME}.service`, 'utf8');
});

afterAll(() => rm(directory, { recursive: true, force: true }));

describe.each([
  ['as shipped', false],
  ['with the drop-in for guests', true],
])('the unit %s', (folder, dropIn) => {
  test('is understood by systemd to the last line', async () => {
    const unit = await install(folder, dropIn);
    // systemd-analyze exits with 0 after most warnings, and its warnings are about other units of the machine too.
    const said = await run('sh', ['-c', 'systemd-analyze verify --man=no "$1" 2>&1', 'sh', unit]);
    expect(said.split('\n').filter((line) => line.includes(NAME) || line.includes('guest-probes'))).toEqual(
      [],
    );
  });

  test(`is exposed less than ${MOST_EXPOSURE}`, async () => {
    const unit = await install(folder, dropIn);
    const said = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', unit]);
    const level = /Overall exposure level for \S+: ([\d.]+)/.exec(said)?.[1];
    expect(Number(level)).toBeGreaterThan(0);
    expect(Number(level)).toBeLessThan(MOST_EXPOSURE);
  });
});

test('the unit starts after libvirt, whichever, and lives without it', () => {
  expect(settings('After')[0]?.split(' ')).toEqual(
    expect.arrayContaining(['libvirtd.service', 'virtqemud.service']),
  );
  for (const tie of ['Requires', 'Requisite', 'BindsTo', 'PartOf', 'Wants'])
    expect(settings(tie)).toEqual([]);
});

test('the unit leaves the exporter what it needs', () => {
  expect(settings('ProtectProc')).toEqual(['default']);
  expect(settings('ProcSubset')).toEqual(['all']);
  expect(settings('MemoryDenyWriteExecute')).toEqual(['no']);
  expect(settings('RestrictAddressFamilies')).toEqual(['AF_UNIX AF_INET AF_INET6']);
});

test('systemd makes the user that the unit names', async () => {
  const root = join(directory, 'root');
  await mkdir(join(root, 'etc'), { recursive: true });
  await run('systemd-sysusers', [`--root=${root}`, `${SOURCE}${NAME}.sysusers`]);
  const user = settings('User')[0];
  expect(user).toBe(NAME);
  expect(await readFile(join(root, 'etc/passwd'), 'utf8')).toMatch(
    new RegExp(`^${user}:[^:]*:\\d+:\\d+:[^:]*:/:/usr/sbin/nologin$`, 'm'),
  );
  expect(settings('Group')).toEqual([user]);
});

test('every command line in the environment file is one that the exporter takes', async () => {
  expect(settings('EnvironmentFile')).toEqual([`-/etc/default/${NAME}`]);
  expect(settings('ExecStart')).toEqual([`node /opt/${NAME}/dist/main.js $ARGS`]);
  const environment = await readFile(`${SOURCE}${NAME}.default`, 'utf8');
  const lines = [...environment.matchAll(/^(?:# )?ARGS="(.*)"$/gm)].map(([, line = '']) => line);
  expect(lines.length).toBe(environment.split('ARGS').length - 1);
  for (const line of lines) {
    const words = (line.match(/(?:'[^']*'|[^\s'])+/g) ?? []).map((word) => word.replaceAll("'", ''));
    const checked = await run(process.execPath, [MAIN, '--config.check', ...words]);
    expect(checked).toBe('the command line is good\n');
  }
  await expect(run(process.execPath, [MAIN, '--config.check', '--no-such-flag'])).rejects.toThrow(
    'no-such-flag',
  );
});

test('without rights, in a user namespace of its own, the exporter reads libvirt and the host', async () => {
  const guest = 'rig-test-unit';
  await runGuest(haltedGuest(guest));
  const { node, main, remove } = await makeUnprivilegedProgram();
  // As User=, CapabilityBoundingSet=, NoNewPrivileges= and PrivateUsers= do.
  const rights = ['--regid=65534', '--clear-groups', '--bounding-set=-all', '--no-new-privs'];
  const namespace = ['unshare', '--user', '--map-current-user'];
  const flags = [...rights, ...namespace, node, main, '--web.listen-address=127.0.0.1:0'];
  const exporter = await startProgram({ node: 'setpriv', main: '--reuid=65534' }, flags);
  try {
    const seen = await exporter.scrapeUntil((served) => served.value('libvirt_up') === 1);
    expect(seen.value('libvirt_domain_start_time_seconds', { domain: guest })).toBeGreaterThan(1_700_000_000);
    expect(seen.value('libvirt_domain_qemu_outdated', { domain: guest })).toBe(0);
  } finally {
    expect(await exporter.stop()).toBe(0);
    await remove();
    await destroyGuest(guest);
    await undefineGuest(guest);
  }
});
