import { describe, expect, test } from '@jest/globals';
import { parseProcessStatus } from '../../../src/host/process-status.ts';

/** Recorded on Linux 6.18, shortened. */
const STATUS = `Name:	qemu-system-x86
Umask:	0002
State:	S (sleeping)
Tgid:	13806
Groups:	0 
VmPeak:	 1512520 kB
VmHWM:	   49792 kB
VmRSS:	   45668 kB
RssAnon:	   22996 kB
VmSwap:	     128 kB
HugetlbPages:	       0 kB
Threads:	5
`;

const status = (changes: Readonly<Record<string, string>>): string =>
  Object.entries(changes).reduce((text, [before, after]) => text.replace(before, after), STATUS);

describe('the status of a process', () => {
  test('has its state, and its memory in RAM and swap', () => {
    expect(parseProcessStatus(STATUS)).toEqual({ state: 'S', residentBytes: 46_764_032, swapBytes: 131_072 });
  });

  test.each(['R', 'D', 'T', 'Z'])('has state %s', (state) => {
    expect(parseProcessStatus(status({ 'S (sleeping)': `${state} (…)` }))?.state).toBe(state);
  });

  test('has no memory once the process has given it back', () => {
    const text = STATUS.replace(/^(Vm|Rss).*\n/gm, '');
    expect(parseProcessStatus(text)).toEqual({ state: 'S', residentBytes: undefined, swapBytes: undefined });
  });

  test.each([
    ['is no number', '     128 kB', '     ??? kB'],
    ['is negative', '     128 kB', '      -1 kB'],
    ['is impossible', '     128 kB', '99999999999999999999 kB'],
    ['has another unit', '     128 kB', '     128 MB'],
    ['is empty', '     128 kB', ' kB'],
  ])('loses only a value that %s', (_what, before, after) => {
    expect(parseProcessStatus(status({ [before]: after }))).toEqual({
      state: 'S',
      residentBytes: 46_764_032,
      swapBytes: undefined,
    });
  });

  test('loses only the line that the end of the buffer cut off', () => {
    const text = STATUS.slice(0, STATUS.indexOf('128 kB') + 2);
    expect(parseProcessStatus(text)).toMatchObject({ residentBytes: 46_764_032, swapBytes: undefined });
  });

  test.each([[''], ['no such process'], ['Name:	qemu\nVmRSS:	 1 kB\n'], ['Name:	qemu\nState:	\n']])(
    'is unknown for the text %j',
    (text) => {
      expect(parseProcessStatus(text)).toBeUndefined();
    },
  );

  test("is not read from the process's name", () => {
    expect(parseProcessStatus('Name:	State:	D\nState:	S (sleeping)\n')?.state).toBe('S');
  });
});
