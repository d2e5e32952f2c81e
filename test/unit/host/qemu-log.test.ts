import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseLastStart, readLastLoggedStart } from '../../../src/host/qemu-log.ts';
import { temporaryDirectory } from './fake-proc.ts';

const DEBIAN_12 =
  '2026-11-23 00:50:11.123+0000: starting up libvirt version: 9.0.0, package: 4+deb12u2 ' +
  '(Guido Günther <agx@sigxcpu.org> Fri, 16 Aug 2024 09:34:30 +0200), qemu version: 7.2.22Debian ' +
  '1:7.2+dfsg-7+deb12u18, kernel: 6.1.0-28-amd64, hostname: hv1.example.org';
const COMMAND_LINE = [
  'LC_ALL=C \\',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin \\',
  '/usr/bin/qemu-system-x86_64 \\',
  '-name guest=vm,debug-threads=on \\',
  '-msg timestamp=on',
  'char device redirected to /dev/pts/2 (label charserial0)',
].join('\n');
const SHUT_DOWN =
  '2026-11-23T01:50:11.123456Z qemu-system-x86_64: terminating on signal 15 from pid 1 (<unknown process>)\n' +
  '2026-11-23 01:50:11.500+0000: shutting down, reason=destroyed';

const seconds = (time: string): number => Date.parse(time) / 1000;

describe('parseLastStart', () => {
  test('a real log', () => {
    expect(parseLastStart(`${DEBIAN_12}\n${COMMAND_LINE}\n${SHUT_DOWN}\n`)).toEqual({
      version: '7.2.22',
      startSeconds: seconds('2026-11-23T00:50:11.123Z'),
    });
  });

  test.each([
    ['7.2.22Debian 1:7.2+dfsg-7', '7.2.22'],
    ['2.11.1(Debian 1:2.11+dfsg-1ubuntu7.42)', '2.11.1'],
    ['8.2.2Debian 1:8.2.2+ds-0ubuntu1.4', '8.2.2'],
    ['9.0.0qemu-kvm-9.0.0-10.el9_5', '9.0.0'],
    ['10.1.50v10.1.0-1234-gabcdef', '10.1.50'],
    ['6.2.0', '6.2.0'],
  ])('qemu version: %s', (text, version) => {
    const line = `2024-01-02 03:04:05.006+0000: starting up libvirt version: 8.0.0, qemu version: ${text}, kernel: 5`;
    expect(parseLastStart(`${line}\n`)).toEqual({
      version,
      startSeconds: seconds('2024-01-02T03:04:05.006Z'),
    });
  });

  test.each([
    ['2024-07-01 12:00:00.000+0000', '2024-07-01T12:00:00Z'],
    ['2024-07-01 12:00:00+0000', '2024-07-01T12:00:00Z'],
    ['2024-07-01 12:00:00.000+0200', '2024-07-01T10:00:00Z'],
    ['2024-07-01 12:00:00.000-0330', '2024-07-01T15:30:00Z'],
  ])('started at %s', (written, time) => {
    const line = `${written}: starting up libvirt version: 8.0.0, qemu version: 6.2.0`;
    expect(parseLastStart(line)?.startSeconds).toBe(seconds(time));
  });

  test('of several starts the last', () => {
    const newer = DEBIAN_12.replace('7.2.22', '8.2.2').replace('2026-11-23', '2026-12-24');
    const text = [DEBIAN_12, COMMAND_LINE, SHUT_DOWN, newer, COMMAND_LINE].join('\n');
    expect(parseLastStart(text)).toEqual({
      version: '8.2.2',
      startSeconds: seconds('2026-12-24T00:50:11.123Z'),
    });
  });

  test('of two starts in succession the last', () => {
    const line = (second: number): string =>
      `2024-01-01 00:00:0${second}.0+0000: starting up libvirt version: 9, qemu version: ${second}.0.0\n`;
    expect(parseLastStart(line(1) + line(2))?.version).toBe('2.0.0');
  });

  test('a package that names somebody with a foreign script', () => {
    const line = DEBIAN_12.replace('Guido Günther', 'Александр 王小明 "x"');
    expect(parseLastStart(line)?.version).toBe('7.2.22');
  });

  test('a start behind a line that is cut at its beginning', () => {
    expect(parseLastStart(`tail of an older line\n${DEBIAN_12}\n`)?.version).toBe('7.2.22');
  });

  test.each([
    ['nothing', ''],
    ['rotated: the command line is all there is', COMMAND_LINE],
    ['rotated: the shutdown is all there is', SHUT_DOWN],
    ['a line cut before its version', DEBIAN_12.slice(0, 100)],
    ['a line cut in its time', DEBIAN_12.slice(11)],
    ['in another language', DEBIAN_12.replace('starting up', 'se démarre')],
    ['another order', 'starting up libvirt version: 9.0.0, qemu version: 7.2.22'],
    ['no QEMU version', DEBIAN_12.replace('qemu version: 7.2.22', 'qemu version: unknown')],
    ['a version of two numbers', DEBIAN_12.replace('7.2.22', '7.2')],
    ['no such day', DEBIAN_12.replace('2026-11-23', '2026-13-45')],
    ['the version only on the next line', DEBIAN_12.replace('qemu version', '\nqemu version')],
    ['the words inside a line of something else', `-name guest=${DEBIAN_12}`],
    ['zeros', '\0'.repeat(1_000)],
  ])('%s: nothing', (_case, text) => {
    expect(parseLastStart(text)).toBeUndefined();
  });

  test('a start behind a long line without breaks is found in linear time', () => {
    const noise = ': starting up libvirt version: '.repeat(50_000);
    const begun = performance.now();
    expect(parseLastStart(noise)).toBeUndefined();
    expect(parseLastStart(`${noise}\n${DEBIAN_12}`)?.version).toBe('7.2.22');
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  test('any text: a version and a time, or nothing', () => {
    const pieces = fc.constantFrom(
      DEBIAN_12,
      '\n',
      ': starting up libvirt version: ',
      'qemu version: 1.2.3',
      '2024-',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string({ unit: 'binary' }))), (parts) => {
        const start = parseLastStart(parts.join(''));
        if (start === undefined) return;
        expect(start.version).toMatch(/^\d+\.\d+\.\d+$/);
        expect(Number.isFinite(start.startSeconds)).toBe(true);
      }),
    );
  });
});

describe('readLastLoggedStart', () => {
  let logs: string;

  beforeEach(async () => {
    logs = await temporaryDirectory();
  });

  afterEach(() => rm(logs, { recursive: true }));

  const write = (name: string, text: string | Buffer): Promise<void> =>
    writeFile(join(logs, `${name}.log`), text);

  test.each([['vm'], ['a b'], ['quo"te 😀'], ['..'], ['-x'], ['line\nbreak']])(
    'the log of a domain called %j',
    async (name) => {
      await write(name, `${DEBIAN_12}\n${COMMAND_LINE}\n`);
      expect((await readLastLoggedStart(logs, name))?.version).toBe('7.2.22');
    },
  );

  test('a name cannot lead out of the directory', async () => {
    await mkdir(join(logs, 'inner'));
    await write('outside', `${DEBIAN_12}\n`);
    expect(await readLastLoggedStart(join(logs, 'inner'), '../outside')).toBeUndefined();
  });

  test('no log, no right to read it, an empty one: nothing', async () => {
    await mkdir(join(logs, 'directory.log'));
    await write('empty', '');
    expect(await readLastLoggedStart(logs, 'none')).toBeUndefined();
    expect(await readLastLoggedStart(logs, 'directory')).toBeUndefined();
    expect(await readLastLoggedStart(logs, 'empty')).toBeUndefined();
    expect(await readLastLoggedStart(logs, 'nul\0byte')).toBeUndefined();
    expect(await readLastLoggedStart(logs, 'x'.repeat(5_000))).toBeUndefined();
  });

  test('a start within the last 256 KiB is found, however large the log is', async () => {
    const noise = 'x'.repeat(99);
    const after = `${noise}\n`.repeat(2_500);
    await write('large', `${`${noise}\n`.repeat(50_000)}${DEBIAN_12}\n${after}`);
    expect((await readLastLoggedStart(logs, 'large'))?.version).toBe('7.2.22');
  });

  test('a start further back is not looked for', async () => {
    await write('chatty', `${DEBIAN_12}\n${'x'.repeat(300 * 1024)}\n`);
    expect(await readLastLoggedStart(logs, 'chatty')).toBeUndefined();
  });

  test('a start that the bound cuts is no start', async () => {
    const line = Buffer.from(`${DEBIAN_12}\n`);
    await write('cut', Buffer.concat([line, Buffer.alloc(256 * 1024 - line.length + 5, 'x\n')]));
    expect(await readLastLoggedStart(logs, 'cut')).toBeUndefined();
    await write('whole', Buffer.concat([line, Buffer.alloc(256 * 1024 - line.length, 'x\n')]));
    expect((await readLastLoggedStart(logs, 'whole'))?.version).toBe('7.2.22');
  });

  test('bytes that are no text do no harm', async () => {
    await write(
      'binary',
      Buffer.concat([Buffer.alloc(70_000, 0xff), Buffer.from(`\n${DEBIAN_12}\n`), Buffer.alloc(9, 0xe2)]),
    );
    expect((await readLastLoggedStart(logs, 'binary'))?.version).toBe('7.2.22');
  });
});
