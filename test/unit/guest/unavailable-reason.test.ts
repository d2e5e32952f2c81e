import { describe, expect, test } from '@jest/globals';
import { GuestReplyError } from '../../../src/guest/guest-text.ts';
import { endsProbe, isPassing, unavailableReason } from '../../../src/guest/unavailable-reason.ts';
import {
  LibvirtServerError,
  LibvirtTransportError,
  type TransportErrorCode,
} from '../../../src/libvirt/errors.ts';

describe('a failed command means the same by the words of libvirt before 11.2 and since', () => {
  test.each([
    ['The command guest-get-cpustats has not been found', 'unsupported'],
    ['Command guest-file-open has been disabled: the command is not allowed', 'command_disabled'],
    ['Command guest-file-open has been disabled for this instance', 'command_disabled'],
    ['Command guest-get-osinfo has been disabled: the agent is in frozen state', 'frozen'],
    ["failed to open file '/proc/pressure/io' (mode: 'r'): No such file or directory", 'unsupported'],
    ["failed to open file '/etc/kubernetes/kubelet.conf': Permission denied", 'command_disabled'],
    ["failed to read file, handle '3': Operation not supported", 'unsupported'],
    ['anything that a guest may write', 'invalid_reply'],
  ])('%s', (words, reason) => {
    for (const number of [1, 113]) {
      const message = `unable to execute QEMU agent command: ${words}`;
      expect(unavailableReason(new LibvirtServerError(number, 10, message))).toBe(reason);
    }
  });
});

test.each<[TransportErrorCode, string | undefined]>([
  ['ERR_LIBVIRT_TIMEOUT', 'agent_silent'],
  ['ERR_LIBVIRT_CLOSED', undefined],
  ['ERR_LIBVIRT_CONNECT', undefined],
  ['ERR_LIBVIRT_PROTOCOL', undefined],
  ['ERR_LIBVIRT_UNRESPONSIVE', undefined],
])('%s on the way to libvirt means %s', (code, reason) => {
  expect(unavailableReason(new LibvirtTransportError(code, 'lost'))).toBe(reason);
});

test('an answer of another shape is the guest’s fault; a fault of this program is not', () => {
  expect(unavailableReason(new GuestReplyError('guest-info', 'reply is not JSON'))).toBe('invalid_reply');
  expect(unavailableReason(new TypeError('x is undefined'))).toBeUndefined();
});

test.each([
  ['agent_silent', true, false],
  ['agent_disconnected', true, false],
  ['no_channel', true, false],
  ['read_only', true, false],
  ['frozen', true, true],
  ['busy', true, true],
  ['command_disabled', false, false],
  ['unsupported', false, false],
  ['invalid_reply', false, false],
] as const)('%s ends a probe: %s, and passes: %s', (reason, ends, passes) => {
  expect([endsProbe(reason), isPassing(reason)]).toEqual([ends, passes]);
});
