import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  MAX_FILESYSTEMS,
  parseCpuStats,
  parseFileOpen,
  parseFileRead,
  parseFsInfo,
  parseGuestInfo,
  parseLoad,
  parseOsInfo,
} from '../../../src/guest/replies.ts';
import {
  anyText,
  anyValue,
  expectBoundedNumbers,
  expectCleanText,
  mostly,
  parsedOrRefused,
  reply,
  tick,
} from './hostile.ts';

const REQUESTED_BYTES = 64;

const OS_KEYS = [
  'id',
  'name',
  'pretty-name',
  'version',
  'version-id',
  'variant',
  'kernel-release',
  'machine',
];
const CPU_KEYS = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal', 'guest'];

function record(
  keys: readonly string[],
  value: fc.Arbitrary<unknown>,
): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(Object.fromEntries(keys.map((key) => [key, value])), { noNullPrototype: true });
}

/** For each parser: a check of all that it can return, and replies that come close to honest ones. */
const PARSERS: Record<string, { check: (text: string) => void; near: fc.Arbitrary<unknown> }> = {
  parseGuestInfo: {
    check: (text) => {
      const info = parsedOrRefused(() => parseGuestInfo(text));
      if (info === undefined) return;
      expectCleanText(info.version ?? '');
      expect(info.commands.size).toBeLessThanOrEqual(512);
      for (const name of info.commands.keys()) expectCleanText(name);
    },
    near: fc.record({
      version: mostly(anyText),
      supported_commands: mostly(
        fc.array(fc.record({ name: mostly(anyText), enabled: mostly(fc.boolean()) }), { maxLength: 5 }),
      ),
    }),
  },
  parseOsInfo: {
    check: (text) => {
      for (const value of Object.values(parsedOrRefused(() => parseOsInfo(text)) ?? {})) {
        if (value === undefined) continue;
        expectCleanText(value);
        expect(value).not.toBe('');
      }
    },
    near: record(OS_KEYS, mostly(anyText)),
  },
  parseCpuStats: {
    check: (text) => {
      const cpu = parsedOrRefused(() => parseCpuStats(text));
      expectBoundedNumbers(Object.values<number | undefined>(cpu ?? {}));
    },
    near: fc.uniqueArray(
      fc
        .tuple(record(CPU_KEYS, mostly(tick)), fc.nat({ max: 2000 }))
        .map(([modes, cpu]) => ({ type: 'linux', ...modes, cpu })),
      { minLength: 1, maxLength: 4, selector: ({ cpu }) => cpu },
    ),
  },
  parseLoad: {
    check: (text) => expectBoundedNumbers(Object.values({ ...parsedOrRefused(() => parseLoad(text)) })),
    near: record(['load1m', 'load5m', 'load15m'], mostly(fc.double())),
  },
  parseFileOpen: {
    check: (text) => {
      const handle = parsedOrRefused(() => parseFileOpen(text));
      if (handle !== undefined) expect(Number.isSafeInteger(handle)).toBe(true);
    },
    near: fc.oneof(tick, fc.double()),
  },
  parseFileRead: {
    check: (text) => {
      const chunk = parsedOrRefused(() => parseFileRead(text, REQUESTED_BYTES));
      if (chunk === undefined) return;
      expect(chunk.bytes).toHaveLength(chunk.count);
      expect(chunk.count).toBeLessThanOrEqual(REQUESTED_BYTES);
    },
    near: fc.uint8Array({ maxLength: REQUESTED_BYTES + 1 }).chain((bytes) =>
      fc.record({
        count: mostly(fc.constant(bytes.length)),
        'buf-b64': mostly(fc.constant(Buffer.from(bytes).toString('base64'))),
        eof: mostly(fc.boolean()),
      }),
    ),
  },
  parseFsInfo: {
    check: (text) => {
      const filesystems = parsedOrRefused(() => parseFsInfo(text)) ?? [];
      expect(filesystems.length).toBeLessThanOrEqual(MAX_FILESYSTEMS);
      expect(new Set(filesystems.map(({ mountpoint }) => mountpoint)).size).toBe(filesystems.length);
      for (const { mountpoint, fstype, totalBytes, usedBytes } of filesystems) {
        expectCleanText(mountpoint);
        expect(mountpoint).not.toBe('');
        expectCleanText(fstype);
        expectBoundedNumbers([totalBytes, usedBytes]);
      }
    },
    near: fc.array(
      fc.record(
        {
          mountpoint: mostly(anyText),
          type: mostly(anyText),
          'total-bytes': mostly(tick),
          'used-bytes': mostly(tick),
        },
        { requiredKeys: ['mountpoint', 'type'] },
      ),
      { maxLength: 80 },
    ),
  },
};

describe.each(Object.entries(PARSERS))('%s of hostile replies', (_, { check, near }) => {
  test('any text', () => {
    fc.assert(fc.property(anyText, check));
  });

  test('any JSON, with and without an envelope', () => {
    fc.assert(fc.property(anyValue, (value) => check(reply(value))));
    fc.assert(fc.property(fc.json(), check));
  });

  test('nearly honest replies', () => {
    fc.assert(
      fc.property(near, (value) => check(reply(value))),
      { numRuns: 300 },
    );
  });

  test('a good reply with a character changed', () => {
    fc.assert(
      fc.property(near, fc.nat(), fc.string({ unit: 'binary', maxLength: 2 }), (value, at, inserted) => {
        const text = reply(value);
        const cut = at % text.length;
        check(text.slice(0, cut) + inserted + text.slice(cut + 1));
      }),
      { numRuns: 300 },
    );
  });

  test('deep, wide and endless ones', () => {
    const size = 900 * 1024;
    check(`{"return": ${'['.repeat(size / 2)}${']'.repeat(size / 2)}}`);
    check(`{"return": ${'{"a":'.repeat(size / 6)}1${'}'.repeat(size / 6)}}`);
    check(`{"return": [${'1,'.repeat(size / 2)}1]}`);
    check(`{"return": [${'{},'.repeat(size / 3)}{}]}`);
    check(`{"return": {${'"a":1,'.repeat(size / 6)}"a":1}}`);
    check(`{"return": ${'9'.repeat(size)}}`);
    check(reply('x'.repeat(size)));
    check('['.repeat(16 * 1024 * 1024));
  });
});
