import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  encodeGuestCommand,
  GUEST_FILES,
  type GuestCommand,
  GuestCommandRefused,
  type GuestFile,
  KUBELET_FILE,
} from '../../../src/guest/commands.ts';

const ALLOWED = [
  'guest-info',
  'guest-get-osinfo',
  'guest-get-cpustats',
  'guest-get-load',
  'guest-get-fsinfo',
  'guest-file-open',
  'guest-file-read',
  'guest-file-close',
];

test.each<[GuestCommand, string]>([
  [{ execute: 'guest-info' }, '{"execute":"guest-info"}'],
  [{ execute: 'guest-get-osinfo' }, '{"execute":"guest-get-osinfo"}'],
  [{ execute: 'guest-get-cpustats' }, '{"execute":"guest-get-cpustats"}'],
  [{ execute: 'guest-get-load' }, '{"execute":"guest-get-load"}'],
  [{ execute: 'guest-get-fsinfo' }, '{"execute":"guest-get-fsinfo"}'],
  [
    { execute: 'guest-file-open', arguments: { path: '/proc/stat', mode: 'r' } },
    '{"execute":"guest-file-open","arguments":{"path":"/proc/stat","mode":"r"}}',
  ],
  [
    { execute: 'guest-file-read', arguments: { handle: 7, count: 4096 } },
    '{"execute":"guest-file-read","arguments":{"handle":7,"count":4096}}',
  ],
  [
    { execute: 'guest-file-close', arguments: { handle: 7 } },
    '{"execute":"guest-file-close","arguments":{"handle":7}}',
  ],
])('%j is sent as it is', (command, expected) => {
  expect(encodeGuestCommand(command)).toBe(expected);
});

test('each file on the lists may be opened', () => {
  const files: GuestFile[] = [...Object.values(GUEST_FILES), KUBELET_FILE];
  for (const path of files) {
    expect(encodeGuestCommand({ execute: 'guest-file-open', arguments: { path, mode: 'r' } })).toContain(
      path,
    );
  }
});

describe('anything else is refused, whatever the types say', () => {
  test.each<[string, unknown]>([
    ['a shell', { execute: 'guest-exec', arguments: { path: '/bin/sh' } }],
    ['a write', { execute: 'guest-file-write', arguments: { handle: 1, 'buf-b64': '' } }],
    ['a shutdown', { execute: 'guest-shutdown' }],
    ['a password', { execute: 'guest-set-user-password' }],
    ['a freeze', { execute: 'guest-fsfreeze-freeze' }],
    ['disks (CVE-2026-77158)', { execute: 'guest-get-disks' }],
    ['a name of Object.prototype', { execute: 'constructor' }],
    ['__proto__', JSON.parse('{"execute":"__proto__"}')],
    ['no name', {}],
    ['another file', { execute: 'guest-file-open', arguments: { path: '/etc/shadow', mode: 'r' } }],
    ['a file to write', { execute: 'guest-file-open', arguments: { path: '/proc/stat', mode: 'w' } }],
    ['a file to change', { execute: 'guest-file-open', arguments: { path: '/proc/stat', mode: 'r+' } }],
    ['a way around', { execute: 'guest-file-open', arguments: { path: '/proc/../etc/shadow', mode: 'r' } }],
    ['one argument more', { execute: 'guest-file-close', arguments: { handle: 1, force: true } }],
    ['one argument less', { execute: 'guest-file-open', arguments: { path: '/proc/stat' } }],
    ['an argument where none belongs', { execute: 'guest-info', arguments: { x: 1 } }],
    ['a handle that is no number', { execute: 'guest-file-close', arguments: { handle: '1' } }],
    ['a handle that is not there', { execute: 'guest-file-close', arguments: { handle: undefined } }],
    ['a name that reads like an allowed one', { execute: ['guest-info'] }],
    [
      'a name that becomes another one when it is sent',
      { execute: { toString: () => 'guest-info', toJSON: () => 'guest-exec' } },
    ],
    ['a count that is not whole', { execute: 'guest-file-read', arguments: { handle: 1, count: 1.5 } }],
  ])('%s', (_name, command) => {
    expect(() => encodeGuestCommand(command as GuestCommand)).toThrow(GuestCommandRefused);
  });

  test('arguments are sent as they were checked, even where they would turn into others', () => {
    const disguised = Object.create({ toJSON: () => ({ path: '/etc/shadow', mode: 'w' }) });
    const command = {
      execute: 'guest-file-open',
      arguments: Object.assign(disguised, { path: '/proc/stat', mode: 'r' }),
    };
    expect(encodeGuestCommand(command as GuestCommand)).toBe(
      '{"execute":"guest-file-open","arguments":{"path":"/proc/stat","mode":"r"}}',
    );
  });

  test('a value of any kind is refused, or is a command on the list', () => {
    const command = fc.oneof(fc.anything(), fc.record({ execute: fc.anything(), arguments: fc.anything() }));
    fc.assert(
      fc.property(command, (given) => {
        let sent: string;
        try {
          sent = encodeGuestCommand(given as GuestCommand);
        } catch {
          return;
        }
        expect(ALLOWED).toContain(JSON.parse(sent).execute);
      }),
    );
  });

  test('whatever is given, what comes out is on the list', () => {
    fc.assert(
      fc.property(
        fc.record({ execute: fc.oneof(fc.string(), fc.constantFrom(...ALLOWED)), arguments: fc.object() }),
        (command) => {
          try {
            expect(ALLOWED).toContain(
              JSON.parse(encodeGuestCommand(command as unknown as GuestCommand)).execute,
            );
          } catch (error) {
            expect(error).toBeInstanceOf(GuestCommandRefused);
          }
        },
      ),
    );
  });
});

test('no other file of the program encodes commands, or sends them on', () => {
  const root = fileURLToPath(new URL('../../../src/', import.meta.url));
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const using = (text: string) =>
    files.filter((name) => readFileSync(`${root}${name}`, 'utf8').includes(text)).sort();
  expect(using('encodeGuestCommand(')).toEqual(['guest/agent.ts', 'guest/commands.ts']);
  expect(using('qemuDomainAgentCommand')).toEqual([
    'daemon/agent-connection.ts',
    'libvirt/procedures/agent.ts',
  ]);
  expect(using('.command(')).toEqual(['exporter.ts']);
});
