import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cleanText, GuestReplyError } from '../../../src/guest/guest-text.ts';
import { anyText, expectCleanText } from './hostile.ts';

describe('cleanText', () => {
  test.each([
    ['Debian GNU/Linux 12 (bookworm)', 'Debian GNU/Linux 12 (bookworm)'],
    ['  padded \t', 'padded'],
    ['new\nline\r\0', 'newline'],
    ['\u001b[31mred', '[31mred'],
    ['C1\u0085\u009b', 'C1'],
    ['evil\u202egnp.exe\u2066\u2069', 'evilgnp.exe'],
    ['one\u2028two\u2029', 'onetwo'],
    ['zero\u200bwidth\u200d\ufeff', 'zerowidth'],
    ['lone\ud800', 'lone'],
    // Two lone surrogates with a control between them must not become a pair.
    ['\ud83d\u0000\ude00', ''],
    ['openSUSE 🦎 Ünïcode', 'openSUSE 🦎 Ünïcode'],
    ['مرحبا', 'مرحبا'],
    ['"} 1\n# HELP x', '"} 1# HELP x'],
    ['', ''],
    [' \n ', ''],
  ])('%j', (text, clean) => {
    expect(cleanText(text)).toBe(clean);
  });

  test('is cut by whole characters', () => {
    expect(cleanText('a'.repeat(129))).toBe('a'.repeat(128));
    expect(cleanText('🦎'.repeat(129))).toBe('🦎'.repeat(128));
    expect(cleanText(`${'a'.repeat(127)}🦎b`)).toBe(`${'a'.repeat(127)}🦎`);
    expect(cleanText(`${'a'.repeat(127)} b`)).toBe('a'.repeat(127));
  });

  test('is bounded, clean and stable whatever it is given', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const clean = cleanText(text);
        expectCleanText(clean);
        expect(cleanText(clean)).toBe(clean);
      }),
    );
  });
});

test('GuestReplyError has a stable code', () => {
  const error = new GuestReplyError('guest-info', 'reply is not JSON');
  expect(error).toMatchObject({
    name: 'GuestReplyError',
    code: 'ERR_GUEST_REPLY',
    message: 'guest-info: reply is not JSON',
  });
});
