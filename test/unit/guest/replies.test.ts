import { describe, expect, test } from '@jest/globals';
import {
  parseCpuStats,
  parseFileOpen,
  parseFileRead,
  parseFsInfo,
  parseGuestInfo,
  parseLoad,
  parseOsInfo,
} from '../../../src/guest/replies.ts';
import { reply } from './hostile.ts';

const SHAPE = 'reply is not of the expected shape at return';

describe('parseGuestInfo', () => {
  test('QEMU 7.2', () => {
    const { version, commands } = parseGuestInfo(
      '{"return": {"version": "7.2.22", "supported_commands": [' +
        '{"enabled": true, "name": "guest-get-cpustats", "success-response": true}, ' +
        '{"enabled": false, "name": "guest-get-devices", "success-response": true}, ' +
        '{"enabled": true, "name": "guest-shutdown", "success-response": false}]}}\n',
    );
    expect(version).toBe('7.2.22');
    expect([...commands]).toEqual([
      ['guest-get-cpustats', true],
      ['guest-get-devices', false],
      ['guest-shutdown', true],
    ]);
  });

  test('Windows, as libvirt writes JSON with json-c', () => {
    const { version, commands } = parseGuestInfo(
      '{ "return": { "version": "110.0.0", "supported_commands": [ ' +
        '{ "enabled": true, "name": "guest-get-load", "success-response": true }, ' +
        '{ "enabled": true, "name": "guest-file-open", "success-response": true } ] } }',
    );
    expect(version).toBe('110.0.0');
    expect(commands.get('guest-get-load')).toBe(true);
    expect(commands.has('guest-get-cpustats')).toBe(false);
  });

  test('a command that is listed twice is enabled only if it is twice', () => {
    const isEnabled = (...enabled: boolean[]) =>
      parseGuestInfo(
        reply({
          version: '1',
          supported_commands: enabled.map((value) => ({ name: 'guest-exec', enabled: value })),
        }),
      ).commands.get('guest-exec');
    expect([isEnabled(true, true), isEnabled(true, false), isEnabled(false, true)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('names of prototypes are names', () => {
    const names = ['__proto__', 'constructor', 'toString'];
    const supported_commands = names.map((name) => ({ name, enabled: true }));
    expect([...parseGuestInfo(reply({ version: '1', supported_commands })).commands.keys()]).toEqual(names);
  });

  test('text is cleaned', () => {
    expect(
      parseGuestInfo(reply({ version: `1"}\n\u202e${'x'.repeat(500)}`, supported_commands: [] })),
    ).toEqual({ version: `1"}${'x'.repeat(125)}`, commands: new Map() });
  });

  test('512 commands fit, more are refused', () => {
    const supported_commands = Array.from({ length: 513 }, (_, index) => ({
      name: `c${index}`,
      enabled: true,
    }));
    const some = { version: '1', supported_commands: supported_commands.slice(1) };
    expect(parseGuestInfo(reply(some)).commands.size).toBe(512);
    expect(() => parseGuestInfo(reply({ version: '1', supported_commands }))).toThrow(
      `guest-info: ${SHAPE}.supported_commands`,
    );
  });

  test('no commands are refused', () => {
    expect(() => parseGuestInfo(reply({ version: '7' }))).toThrow(`guest-info: ${SHAPE}.supported_commands`);
  });

  const ping = { name: 'guest-ping', enabled: true };
  test.each([
    ['no version', { supported_commands: [ping] }],
    ['a number for a version', { version: 7.2, supported_commands: [ping] }],
    ['null for a version', { version: null, supported_commands: [ping] }],
    ['an empty version', { version: '', supported_commands: [ping] }],
  ])('%s costs the version alone', (_, value) => {
    expect(parseGuestInfo(reply(value))).toEqual({
      version: undefined,
      commands: new Map([['guest-ping', true]]),
    });
  });

  test.each([
    ['a name only', 'guest-exec'],
    ['a word for a boolean', { name: 'guest-exec', enabled: 'yes' }],
    ['null', null],
    ['a number for a name', { name: 7, enabled: true }],
  ])('%s costs this command alone', (_, entry) => {
    const { commands } = parseGuestInfo(reply({ version: '7', supported_commands: [entry, ping] }));
    expect([...commands]).toEqual([['guest-ping', true]]);
  });
});

describe('parseOsInfo', () => {
  const nothing = {
    id: undefined,
    name: undefined,
    prettyName: undefined,
    version: undefined,
    versionId: undefined,
    variant: undefined,
    variantId: undefined,
    kernelRelease: undefined,
    kernelVersion: undefined,
    machine: undefined,
  };

  test('Debian 12', () => {
    expect(
      parseOsInfo(
        '{"return": {"name": "Debian GNU/Linux", "kernel-release": "6.1.0-28-amd64", ' +
          '"version": "12 (bookworm)", "pretty-name": "Debian GNU/Linux 12 (bookworm)", "version-id": "12", ' +
          '"kernel-version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1", "machine": "x86_64", "id": "debian"}}\n',
      ),
    ).toEqual({
      ...nothing,
      id: 'debian',
      name: 'Debian GNU/Linux',
      prettyName: 'Debian GNU/Linux 12 (bookworm)',
      version: '12 (bookworm)',
      versionId: '12',
      kernelRelease: '6.1.0-28-amd64',
      kernelVersion: '#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1',
      machine: 'x86_64',
    });
  });

  test('Windows Server 2022', () => {
    expect(
      parseOsInfo(
        reply({
          name: 'Microsoft Windows',
          'kernel-release': '20348',
          version: 'Microsoft Windows Server 2022',
          variant: 'server',
          'pretty-name': 'Windows Server 2022 Standard',
          'version-id': '2022',
          'variant-id': 'server',
          'kernel-version': '10.0',
          machine: 'x86_64',
          id: 'mswindows',
        }),
      ),
    ).toMatchObject({ id: 'mswindows', versionId: '2022', variantId: 'server', kernelRelease: '20348' });
  });

  test('nothing reported, nothing known; empty and unfit text is nothing', () => {
    expect(parseOsInfo(reply({}))).toEqual(nothing);
    expect(parseOsInfo(reply({ id: '', name: ' \u0000\u200b ' }))).toEqual(nothing);
  });

  test('only its own keys are read', () => {
    expect(parseOsInfo('{"return": {"__proto__": {"id": "evil"}, "constructor": {"id": "evil"}}}')).toEqual(
      nothing,
    );
  });

  test('of a key that is listed twice the last counts', () => {
    expect(parseOsInfo('{"return": {"id": "debian", "id": "ubuntu"}}').id).toBe('ubuntu');
  });

  test.each([
    ['null', null],
    ['a list', []],
    ['a number', 7],
  ])('refuses %s', (_, value) => {
    expect(() => parseOsInfo(reply(value))).toThrow(`guest-get-osinfo: ${SHAPE}`);
  });

  test.each([
    ['a number', { 'version-id': 12 }],
    ['null for text', { 'version-id': null }],
    ['an object for text', { 'version-id': { toString: 'x' } }],
  ])('%s costs itself alone', (_, value) => {
    const invalid: string[] = [];
    const os = parseOsInfo(reply({ id: 'debian', ...value }), (family) => invalid.push(family));
    expect(os).toEqual({ ...nothing, id: 'debian' });
    expect(invalid).toEqual(['os']);
  });

  test.each([
    ['a number', 12],
    ['null', null],
    ['an object', { toString: 'x' }],
    ['a list', ['x']],
  ])('%s for a text costs this field alone', (_, value) => {
    const reported = { id: 'debian', name: value, 'version-id': '14', 'kernel-release': value };
    expect(parseOsInfo(reply(reported))).toEqual({ ...nothing, id: 'debian', versionId: '14' });
  });

  test('more than 64 KiB is refused', () => {
    expect(() => parseOsInfo(reply({ id: 'x'.repeat(65_536) }))).toThrow(
      'guest-get-osinfo: reply has 65556 characters, more than 65536',
    );
  });
});

describe('parseCpuStats', () => {
  // QEMU 7.2 and 11 write the same keys in another order.
  const QEMU_7_2 =
    '{"return": [{"cpu": 0, "guestnice": 0, "idle": 5169050, "steal": 1380, "iowait": 5300, "system": 459490, ' +
    '"guest": 0, "nice": 62460, "irq": 0, "type": "linux", "user": 807310, "softirq": 2280}, ' +
    '{"cpu": 1, "guestnice": 0, "idle": 5005990, "steal": 1450, "iowait": 24820, "system": 486700, ' +
    '"guest": 10, "nice": 64610, "irq": 0, "type": "linux", "user": 922080, "softirq": 10940}]}\n';
  const QEMU_11 =
    '{ "return": [ { "cpu": 3, "user": 1000, "nice": 20, "system": 300, "idle": 4000, "iowait": 50, "irq": 6, ' +
    '"softirq": 7, "steal": 8, "guest": 9, "guestnice": 10, "type": "linux" } ] }';

  test('QEMU 7.2: milliseconds of two CPUs', () => {
    expect(parseCpuStats(QEMU_7_2)).toEqual({
      user: 1729.39,
      nice: 127.07,
      system: 946.19,
      idle: 10175.04,
      iowait: 30.12,
      irq: 0,
      softirq: 13.22,
      steal: 2.83,
    });
  });

  test('QEMU 11', () => {
    expect(Object.values(parseCpuStats(QEMU_11))).toEqual([1, 0.02, 0.3, 4, 0.05, 0.006, 0.007, 0.008]);
  });

  const cpu = (index: number, more: object = {}) => ({
    type: 'linux',
    cpu: index,
    user: 1000,
    nice: 1000,
    system: 1000,
    idle: 1000,
    ...more,
  });

  test('a mode that no CPU reports is unknown, and so is one that only some report: their sum would jump', () => {
    const cpus = [cpu(0, { steal: 500 }), cpu(7, { iowait: 500, steal: 500 })];
    expect(parseCpuStats(reply(cpus))).toEqual({
      user: 2,
      nice: 2,
      system: 2,
      idle: 2,
      iowait: undefined,
      irq: undefined,
      softirq: undefined,
      steal: 1,
    });
  });

  test('1024 CPUs with every mode fit, more are refused', () => {
    const all = { iowait: 1e12, irq: 1e12, softirq: 1e12, steal: 1e12, guest: 1e12, guestnice: 1e12 };
    const cpus = (count: number) =>
      reply(Array.from({ length: count }, (_, index) => cpu(index, { ...all, idle: 1e12 })));
    expect(parseCpuStats(cpus(1024)).idle).toBe(1.024e12);
    expect(() => parseCpuStats(cpus(1025))).toThrow(`guest-get-cpustats: ${SHAPE}`);
  });

  test.each([
    ['no CPU', [], 'no CPU'],
    ['a CPU twice', [cpu(0), cpu(0)], 'a CPU is listed twice'],
    ['another type', [cpu(0, { type: 'windows' })], `${SHAPE}[0].type`],
    ['no type', [{ ...cpu(0), type: undefined }], `${SHAPE}[0].type`],
    ['one object', cpu(0), SHAPE],
    ['an object with a length', { length: 1, 0: cpu(0) }, SHAPE],
    ['no time at all', [{ type: 'linux', cpu: 0 }], 'no CPU time'],
  ])('refuses %s', (_, value, problem) => {
    expect(() => parseCpuStats(reply(value))).toThrow(`guest-get-cpustats: ${problem}`);
  });

  test.each<[string, unknown]>([
    ['a missing mode', undefined],
    ['a negative number', -1],
    ['a fraction', 0.5],
    ['a huge number', 1e308],
    ['2^53', 2 ** 53],
    ['a number as text', '1'],
    ['NaN as text', 'NaN'],
    ['null', null],
    ['a sum past 2^53', 2 ** 53 - 1],
  ])('%s costs its mode alone', (_, value) => {
    const invalid: string[] = [];
    const cpus = parseCpuStats(reply([cpu(0), cpu(1, { user: value })]), (family) => invalid.push(family));
    expect(cpus).toMatchObject({ user: undefined, nice: 2, system: 2, idle: 2 });
    expect(invalid).toEqual(['cpu']);
  });

  test('an infinite number costs its mode alone', () => {
    const cpus = parseCpuStats(reply([cpu(0)]).replace('1000', '1e999'));
    expect(cpus).toMatchObject({ user: undefined, nice: 1 });
  });

  test('1024 CPUs with the largest numbers are few enough', () => {
    const most = Math.floor(Number.MAX_SAFE_INTEGER / 1024);
    const modes = [
      'user',
      'nice',
      'system',
      'idle',
      'iowait',
      'irq',
      'softirq',
      'steal',
      'guest',
      'guestnice',
    ];
    const cpus = Array.from(
      { length: 1024 },
      (_, cpu) => `{"type": "linux", "cpu": ${cpu}, ${modes.map((mode) => `"${mode}": ${most}`).join(', ')}}`,
    );
    expect(parseCpuStats(`{"return": [${cpus.join(', ')}]}`).idle).toBe((most * 1024) / 1000);
  });

  test('more than 400 KiB is refused', () => {
    expect(() => parseCpuStats(`{"return": [${'{},'.repeat(140_000)}{}]}`)).toThrow('more than 409600');
  });
});

describe('parseLoad', () => {
  test('QEMU 10', () => {
    expect(parseLoad('{"return": {"load15m": 0.019999999552965164, "load5m": 0.34, "load1m": 1.2}}')).toEqual(
      { load1: 1.2, load5: 0.34, load15: 0.019999999552965164 },
    );
  });

  test('an idle guest, however its zero is written', () => {
    expect(parseLoad('{"return": {"load1m": 0, "load5m": -0, "load15m": -0.0}}')).toEqual({
      load1: 0,
      load5: 0,
      load15: 0,
    });
  });

  test.each([
    ['negative', { load1m: -1, load5m: 0, load15m: 2 }],
    ['huge', { load1m: 1e308, load5m: 0, load15m: 2 }],
    ['missing', { load5m: 0, load15m: 2 }],
    ['text', { load1m: '0.5', load5m: 0, load15m: 2 }],
    ['null', { load1m: null, load5m: 0, load15m: 2 }],
  ])('a load that is %s costs itself alone', (_, value) => {
    const invalid: string[] = [];
    expect(parseLoad(reply(value), (family) => invalid.push(family))).toEqual({
      load1: undefined,
      load5: 0,
      load15: 2,
    });
    expect(invalid).toEqual(['load']);
  });

  test('no load at all is refused', () => {
    expect(() => parseLoad(reply({ load1m: 'x' }))).toThrow('guest-get-load: no load average');
  });
});

describe('parseFileOpen', () => {
  test('the handle', () => {
    expect(parseFileOpen('{"return": 1000}\n')).toBe(1000);
  });

  test.each([['1000'], [-1], [1.5], [2 ** 53], [null], [{}], [[1000]]])('refuses %j', (value) => {
    expect(() => parseFileOpen(reply(value))).toThrow('guest-file-open: ');
  });
});

describe('parseFileRead', () => {
  const LOADAVG = 'MC4wNSAwLjM0IDEuMjQgMi8xMTUgNTYwCg==';
  const chunk = (count: number, base64: string, eof = true) => reply({ count, 'buf-b64': base64, eof });

  test('a file in one piece, and its end', () => {
    const { count, bytes, eof } = parseFileRead(chunk(25, LOADAVG), 4096);
    expect([count, bytes.toString(), eof]).toEqual([25, '0.05 0.34 1.24 2/115 560\n', true]);
    expect(parseFileRead(chunk(0, ''), 4096)).toEqual({ count: 0, bytes: Buffer.alloc(0), eof: true });
  });

  test('as much as was requested, even with each character escaped on the way', () => {
    const requested = 32 * 1024;
    const bytes = Buffer.alloc(requested, 0xff);
    const text = chunk(requested, bytes.toString('base64'), false);
    expect(parseFileRead(text.replaceAll('/', '\\/'), requested)).toEqual({
      count: requested,
      bytes,
      eof: false,
    });
  });

  test.each([
    ['text that is not base64', chunk(3, 'MC4!'), 'content is not base64'],
    ['base64 of addresses', chunk(3, '____'), 'content is not base64'],
    ['white space', chunk(3, 'MC 4w'), 'content is not base64'],
    ['missing padding', chunk(1, 'MA'), 'content is not base64'],
    ['padding that hides bits', chunk(1, 'MB=='), 'content is not base64'],
    ['more after the padding', chunk(1, 'MA==MA=='), 'content is not base64'],
    ['more than it says', chunk(2, 'MC4w'), 'content does not have the length that the reply states'],
    ['less than it says', chunk(25, ''), 'content does not have the length that the reply states'],
    ['more than was requested', chunk(25, LOADAVG), 'more bytes than were requested'],
    ['a negative count', chunk(-1, ''), `${SHAPE}.count`],
    ['no end', reply({ count: 0, 'buf-b64': '' }), `${SHAPE}.eof`],
    ['a number for an end', reply({ count: 0, 'buf-b64': '', eof: 1 }), `${SHAPE}.eof`],
    ['no content', reply({ count: 0, eof: true }), `${SHAPE}.buf-b64`],
    ['far too much', chunk(3000, 'MC4w'.repeat(1000)), 'reply has '],
  ])('refuses %s', (_, text, problem) => {
    expect(() => parseFileRead(text, 24)).toThrow(`guest-file-read: ${problem}`);
  });
});

describe('parseFsInfo', () => {
  const filesystem = (mountpoint: string, more: object = {}) => ({
    name: 'vda1',
    mountpoint,
    type: 'ext4',
    disk: [],
    ...more,
  });

  test('QEMU 7.2', () => {
    expect(
      parseFsInfo(
        '{"return": [{"name": "vda", "total-bytes": 108944293888, "mountpoint": "/", "disk": [{"bus-type": ' +
          '"virtio", "bus": 0, "unit": 0, "pci-controller": {"bus": 0, "slot": 2, "domain": 0, "function": 0}, ' +
          '"dev": "/dev/vda", "target": 0}], "used-bytes": 24425230336, "type": "ext4"}]}\n',
      ),
    ).toEqual([{ mountpoint: '/', fstype: 'ext4', totalBytes: 108944293888, usedBytes: 24425230336 }]);
  });

  test('Windows, and an agent that reports no sizes', () => {
    const listed = [
      filesystem('C:\\', { type: 'NTFS', 'used-bytes': 5, 'total-bytes': 9 }),
      filesystem('System Reserved', { type: 'NTFS' }),
    ];
    expect(parseFsInfo(reply(listed))).toEqual([
      { mountpoint: 'C:\\', fstype: 'NTFS', totalBytes: 9, usedBytes: 5 },
      { mountpoint: 'System Reserved', fstype: 'NTFS', totalBytes: undefined, usedBytes: undefined },
    ]);
  });

  test('what would be the same series is kept once', () => {
    const long = `/${'x'.repeat(200)}`;
    const listed = ['/', '/\u0000', '/', '', '\n', `${long}1`, `${long}2`].map((path) => filesystem(path));
    expect(parseFsInfo(reply(listed)).map(({ mountpoint }) => mountpoint)).toEqual(['/', long.slice(0, 128)]);
  });

  test.each([
    ['more used than there is', { 'used-bytes': 9, 'total-bytes': 5 }, 5, undefined],
    ['negative', { 'used-bytes': -1, 'total-bytes': 5 }, 5, undefined],
    ['2^64, as some network filesystems report', { 'used-bytes': 1, 'total-bytes': 2 ** 64 }, undefined, 1],
    ['a fraction', { 'used-bytes': 0.5 }, undefined, undefined],
    ['text', { 'used-bytes': 1, 'total-bytes': '5' }, undefined, 1],
  ])('a size that is %s costs itself alone', (_, sizes, totalBytes, usedBytes) => {
    expect(parseFsInfo(reply([filesystem('/odd', sizes), filesystem('/')]))).toContainEqual({
      mountpoint: '/odd',
      fstype: 'ext4',
      totalBytes,
      usedBytes,
    });
  });

  test.each([
    ['text', '/'],
    ['null', null],
    ['no mountpoint', { type: 'ext4' }],
    ['a number for a mountpoint', { type: 'ext4', mountpoint: 7 }],
  ])('%s costs this filesystem alone', (_, entry) => {
    expect(parseFsInfo(reply([entry, filesystem('/')])).map(({ mountpoint }) => mountpoint)).toEqual(['/']);
  });

  test('a type that is no text is empty', () => {
    expect(parseFsInfo(reply([filesystem('/', { type: null })]))).toMatchObject([{ fstype: '' }]);
  });

  test('of many the 64 shortest mountpoints stay, in whatever order they are listed', () => {
    const pods = Array.from({ length: 200 }, (_, index) => filesystem(`/var/lib/pods/${1000 + index}`));
    const listed = [...pods, filesystem('/var'), filesystem('/')];
    const kept = parseFsInfo(reply(listed)).map(({ mountpoint }) => mountpoint);
    expect(kept).toHaveLength(64);
    expect(kept.slice(0, 3)).toEqual(['/', '/var', '/var/lib/pods/1000']);
    expect(parseFsInfo(reply(listed.toReversed())).map(({ mountpoint }) => mountpoint)).toEqual(kept);
  });

  test.each([
    ['an object', {}, ''],
    ['too many', Array.from({ length: 4097 }, () => 0), ''],
  ])('refuses %s', (_, value, path) => {
    expect(() => parseFsInfo(reply(value))).toThrow(`guest-get-fsinfo: ${SHAPE}${path}`);
  });
});
