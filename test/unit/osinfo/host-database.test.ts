import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { entityFile, osinfoDirectories, readHostOsinfoDatabase } from '../../../src/osinfo/host-database.ts';
import { scanOsEntities } from '../../../src/osinfo/os-entity.ts';

let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'osinfo-test-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function os(id: string, inner = ''): string {
  return `<?xml version="1.0"?>\n<libosinfo version="0.0.1">\n<!-- <os id="x"> -->\n<os id="${id}"><name>Ünï</name>${inner}</os></libosinfo>\n`;
}

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function read() {
  return readHostOsinfoDatabase({ system: join(root, 'system'), local: join(root, 'local') });
}

describe('readHostOsinfoDatabase', () => {
  test('is undefined on a host without one', async () => {
    expect(await read()).toBeUndefined();
  });

  test('reads version, dates, and merges what NAME.d adds', async () => {
    put('system/VERSION', '20221130');
    put('system/os/a.org/a-1.xml', os('http://a.org/a/1', '<eol-date>2024-06-30</eol-date>'));
    put('system/os/a.org/a-2.xml', os('http://a.org/a/2'));
    put('system/os/a.org/a-1.d/more.xml', os('http://a.org/a/1'));
    put('system/os/a.org/a-2.d/eol.xml', os('http://a.org/a/2', '<eol-date>2030-01-01</eol-date>'));
    put('system/os/README', 'no folder');
    put('system/os/a.org/notes.txt', os('http://a.org/a/3'));
    const host = await read();
    expect(host?.version).toBe('20221130');
    expect([...(host?.eolById ?? [])]).toEqual([
      ['http://a.org/a/1', '2024-06-30'],
      ['http://a.org/a/2', '2030-01-01'],
    ]);
    expect(host?.overlay.size).toBe(0);
  });

  test("reads the administrator's entries and blanked-out files", async () => {
    put('local/os/a.org/a-1.xml', os('http://a.org/a/1', '<eol-date>2040-01-01</eol-date>'));
    put('local/os/a.org/a-2.xml', '');
    symlinkSync('/dev/null', join(root, 'local/os/a.org/a-3.xml'));
    const host = await read();
    expect(host?.version).toBe('');
    expect([...(host?.overlay ?? [])]).toEqual([['http://a.org/a/1', '2040-01-01']]);
    expect([...(host?.masked ?? [])].sort()).toEqual(['a.org/a-2', 'a.org/a-3']);
  });

  test('leaves out what is too large, no file, or no database', async () => {
    put('system/os/a.org/a-1.xml', os('http://a.org/a/1', ' '.repeat(600 * 1024)));
    put('system/os/a.org/a-2.xml', 'not XML <os ');
    put('system/os/a.org/a-3.xml', os('http://a.org/a/3'));
    mkdirSync(join(root, 'system/os/a.org/a-4.xml'));
    symlinkSync('/nonexistent', join(root, 'system/os/a.org/a-5.xml'));
    execFileSync('mkfifo', [join(root, 'system/os/a.org/a-6.xml')]);
    const host = await read();
    expect([...(host?.eolById.keys() ?? [])]).toEqual(['http://a.org/a/3']);
    expect(host?.version).toBe('');
  });
});

describe('osinfoDirectories', () => {
  test('follows the variables of libosinfo', () => {
    expect(osinfoDirectories({})).toEqual({ system: '/usr/share/osinfo', local: '/etc/osinfo' });
    expect(osinfoDirectories({ OSINFO_SYSTEM_DIR: '/a', OSINFO_LOCAL_DIR: '/b' })).toEqual({
      system: '/a',
      local: '/b',
    });
  });
});

describe('entityFile', () => {
  test.each([
    ['http://ubuntu.com/ubuntu/20.04', 'ubuntu.com/ubuntu-20.04'],
    ['http://libosinfo.org/unknown', 'libosinfo.org/unknown'],
    ['http://a.org/b c/d:e', 'a.org/b-c-d-e'],
    ['junk', '/'],
  ])('%s', (id, file) => {
    expect(entityFile(id)).toBe(file);
  });
});

describe('scanOsEntities', () => {
  test('takes several entities, either quote, and blanks', () => {
    const xml = `<libosinfo><os\n id = 'http://a/1' ><eol-date>\n2024-01-01 </eol-date></os>
      <os id="http://a/2"><![CDATA[<eol-date>2000-01-01</eol-date></os>]]><eol-date>soon</eol-date></os>
      <os-variant id="http://a/3"></os-variant><os></os></libosinfo>`;
    expect(scanOsEntities(xml)).toEqual([
      { id: 'http://a/1', eol: '2024-01-01' },
      { id: 'http://a/2', eol: undefined },
    ]);
  });

  test('never throws on anything that looks like its input', () => {
    const piece = fc.constantFrom(
      '<os ',
      'id="x"',
      '>',
      '</os>',
      '<eol-date>',
      '2024-01-01',
      '<!--',
      '-->',
      '<',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string())), (pieces) => {
        expect(scanOsEntities(pieces.join('')).length).toBeLessThanOrEqual(pieces.length);
      }),
    );
  });
});
