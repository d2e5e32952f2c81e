import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  MAX_PROC_FILE_CHARACTERS,
  parseLoadavg,
  parseMeminfo,
  parsePressure,
  parseProcStat,
} from '../../../src/guest/procfs.ts';
import { anyText, expectBoundedNumbers, parsedOrRefused } from './hostile.ts';

const lines = (...text: string[]): string => text.map((line) => `${line}\n`).join('');

// Linux 6.18, two CPUs.
const STAT = lines(
  'cpu  172940 12708 94620 1017504 3012 0 1322 283 1 0',
  'cpu0 80731 6246 45949 516905 530 0 228 138 0 0',
  'cpu1 92208 6461 48670 500599 2482 0 1094 145 1 0',
  `intr 11571927${' 0'.repeat(40)} 1328 724 0 120`,
  'ctxt 41941649',
  'btime 1795392912',
  'processes 130054',
  'procs_running 1',
  'procs_blocked 0',
  'softirq 2748645 0 343469 9 118103 756047 0 20 642284 8033 880680',
);

const STAT_CPU = {
  user: 1729.4,
  nice: 127.08,
  system: 946.2,
  idle: 10175.04,
  iowait: 30.12,
  irq: 0,
  softirq: 13.22,
  steal: 2.83,
};

describe('parseProcStat', () => {
  test('a real file', () => {
    expect(parseProcStat(STAT)).toEqual({ cpu: STAT_CPU, bootTimeSeconds: 1795392912 });
  });

  test('without the line of all CPUs the single ones are added up', () => {
    const { cpu } = parseProcStat(STAT.slice(STAT.indexOf('cpu0')));
    expect(cpu).toEqual({ ...STAT_CPU, user: 1729.39, nice: 127.07, system: 946.19 });
  });

  test.each([
    ['2.4', 'cpu  100 200 300 400', [1, 2, 3, 4, undefined, undefined, undefined, undefined]],
    ['2.5.41', 'cpu  100 200 300 400 500', [1, 2, 3, 4, 5, undefined, undefined, undefined]],
    ['2.6.0', 'cpu  100 200 300 400 500 600 700', [1, 2, 3, 4, 5, 6, 7, undefined]],
    ['2.6.11', 'cpu  100 200 300 400 500 600 700 800', [1, 2, 3, 4, 5, 6, 7, 8]],
    ['2.6.24', 'cpu  100 200 300 400 500 600 700 800 900', [1, 2, 3, 4, 5, 6, 7, 8]],
    ['one yet to come', 'cpu  100 200 300 400 500 600 700 800 900 10 11 12', [1, 2, 3, 4, 5, 6, 7, 8]],
  ])('fields of Linux %s', (_, line, modes) => {
    expect(Object.values(parseProcStat(lines(line)).cpu ?? {})).toEqual(modes);
  });

  test('text that is cut off: the torn line is not read', () => {
    expect(parseProcStat(STAT.slice(0, STAT.indexOf('btime') + 10))).toEqual({
      cpu: STAT_CPU,
      bootTimeSeconds: undefined,
    });
  });

  test('1024 CPUs fit, more are refused', () => {
    const cpus = (count: number) =>
      lines(...Array.from({ length: count }, (_, index) => `cpu${index} 1 1 1 100 0 0 0 0 0 0`));
    expect(parseProcStat(cpus(1024)).cpu?.idle).toBe(1024);
    expect(parseProcStat(cpus(1025)).cpu).toBeUndefined();
  });

  test.each([
    ['nothing', ''],
    ['no line feed', 'cpu  1 2 3 4'],
  ])('refuses %s', (_, content) => {
    expect(() => parseProcStat(content)).toThrow('/proc/stat: no CPU and no boot time');
  });

  test.each([
    ['a negative number', 'cpu  1 2 -3 4'],
    ['a fraction', 'cpu  1 2 3.5 4'],
    ['an exponent', 'cpu  1 2 1e308 4'],
    ['not a number', 'cpu  1 2 NaN 4'],
    ['hexadecimal', 'cpu  1 2 0x10 4'],
    ['2^53', 'cpu  1 2 9007199254740992 4'],
    ['2^64', 'cpu  1 2 18446744073709551615 4'],
    ['foreign digits', 'cpu  1 2 ٣ 4'],
    ['a number on one CPU alone', 'cpu0 1 2 3 4\ncpu1 0 0 -1 0'],
    ['a sum past 2^53', 'cpu0 1 1 9007199254740991 4\ncpu1 0 1 9007199254740991 0'],
  ])('%s costs its mode alone', (_, content) => {
    const invalid: string[] = [];
    const { cpu, bootTimeSeconds } = parseProcStat(`${content}\nbtime 7\n`, (family) => invalid.push(family));
    expect(cpu).toMatchObject({ user: 0.01, nice: 0.02, system: undefined, idle: 0.04 });
    expect(bootTimeSeconds).toBe(7);
    expect(invalid).toEqual(['cpu']);
  });

  test('too few fields cost those that lack', () => {
    const invalid: string[] = [];
    const { cpu } = parseProcStat('cpu  1 2 3\n', (family) => invalid.push(family));
    expect(cpu).toMatchObject({ user: 0.01, nice: 0.02, system: 0.03, idle: undefined, iowait: undefined });
    expect(invalid).toEqual(['cpu']);
  });

  test.each([
    ['two totals', 'cpu  1 2 3 4\ncpu  1 2 3 4\nbtime 7\n', undefined, 7, ['cpu']],
    ['a CPU twice', 'cpu1 1 2 3 4\ncpu1 1 2 3 4\nbtime 7\n', undefined, 7, ['cpu']],
    ['two boot times', 'cpu  100 2 3 4\nbtime 1\nbtime 2\n', 1, undefined, ['boot']],
    ['a boot time that is none', 'cpu  100 2 3 4\nbtime x\n', 1, undefined, ['boot']],
    ['a CPU twice beside the total', 'cpu  100 2 3 4\ncpu1 1 2 3 4\ncpu1 1 2 3 4\nbtime 7\n', 1, 7, []],
  ])('%s costs nothing else', (_, content, user, boot, families) => {
    const invalid: string[] = [];
    const { cpu, bootTimeSeconds } = parseProcStat(content, (family) => invalid.push(family));
    expect([cpu?.user, bootTimeSeconds]).toEqual([user, boot]);
    expect(invalid).toEqual(families);
  });
});

describe('parseMeminfo', () => {
  const WITH_SWAP = lines(
    'MemTotal:         163296 kB',
    'MemFree:            3312 kB',
    'MemAvailable:       1044 kB',
    'Buffers:               4 kB',
    'SwapCached:          812 kB',
    'SwapTotal:        262140 kB',
    'SwapFree:         201984 kB',
    'HugePages_Total:       0',
    'Hugepagesize:       2048 kB',
  );

  test('of a guest that swaps', () => {
    expect(parseMeminfo(WITH_SWAP)).toEqual({
      totalBytes: 163296 * 1024,
      availableBytes: 1044 * 1024,
      swapTotalBytes: 262140 * 1024,
      swapUsedBytes: 60156 * 1024,
    });
  });

  test('of a guest without swap', () => {
    const content = lines(
      'MemTotal:       24684092 kB',
      'MemFree:        23673896 kB',
      'MemAvailable:   24179288 kB',
      'SwapCached:            0 kB',
      'SwapTotal:             0 kB',
      'SwapFree:              0 kB',
    );
    expect(parseMeminfo(content)).toMatchObject({ swapTotalBytes: 0, swapUsedBytes: 0 });
  });

  test('before Linux 3.14 nothing is reported as available', () => {
    const content = WITH_SWAP.replace(/^MemAvailable.*\n/m, '');
    expect(parseMeminfo(content).availableBytes).toBeUndefined();
  });

  const ALL = {
    totalBytes: 163296 * 1024,
    availableBytes: 1044 * 1024,
    swapTotalBytes: 262140 * 1024,
    swapUsedBytes: 60156 * 1024,
  };

  test('a torn line is not read, rather than read as a smaller number', () => {
    const cut = WITH_SWAP.slice(0, WITH_SWAP.indexOf('201984') + 3);
    expect(parseMeminfo(cut)).toEqual({ ...ALL, swapUsedBytes: undefined });
  });

  test('nothing is refused', () => {
    expect(() => parseMeminfo('')).toThrow('/proc/meminfo: no MemTotal, SwapTotal or SwapFree');
  });

  const noUse = { swapUsedBytes: undefined };
  const noSwap = { ...noUse, swapTotalBytes: undefined };
  test.each<[string, string, object, string]>([
    [
      'more available than total',
      WITH_SWAP.replace('1044', '163297'),
      { availableBytes: undefined },
      'memory',
    ],
    ['no memory at all', WITH_SWAP.replace('163296', '0'), { totalBytes: undefined }, 'memory'],
    ['more free than total', WITH_SWAP.replace('201984', '262141'), noUse, 'swap'],
    ['a negative number', WITH_SWAP.replace('201984', '-1'), noUse, 'swap'],
    ['another unit', WITH_SWAP.replace('201984 kB', '201984 MB'), noUse, 'swap'],
    ['no unit', WITH_SWAP.replace('201984 kB', '201984'), noUse, 'swap'],
    ['2^53 bytes', WITH_SWAP.replace('262140', '8796093022208'), noSwap, 'swap'],
    ['a key twice', `${WITH_SWAP}SwapTotal:  0 kB\n`, noSwap, 'swap'],
    ['text', WITH_SWAP.replace('163296', 'lots'), { totalBytes: undefined }, 'memory'],
  ])('%s costs its own value alone', (_, content, lacks, family) => {
    const invalid: string[] = [];
    expect(parseMeminfo(content, (each) => invalid.push(each))).toEqual({ ...ALL, ...lacks });
    expect(invalid).toEqual([family]);
  });

  test('lines that name a prototype mean nothing', () => {
    const content = lines('__proto__:  1 kB', 'constructor:  1 kB', ':  1 kB', 'no colon') + WITH_SWAP;
    expect(parseMeminfo(content)).toEqual(parseMeminfo(WITH_SWAP));
  });
});

describe('parsePressure', () => {
  test('some and full', () => {
    const content = lines(
      'some avg10=0.04 avg60=1.42 avg300=0.81 total=33048188',
      'full avg10=0.03 avg60=1.06 avg300=100.00 total=19928325',
    );
    expect(parsePressure(content)).toEqual({ waitingSeconds: 33.048188, stalledSeconds: 19.928325 });
  });

  test('cpu before Linux 5.13', () => {
    const content = lines('some avg10=0.04 avg60=0.58 avg300=8.17 total=743102184');
    expect(parsePressure(content)).toEqual({ waitingSeconds: 743.102184, stalledSeconds: undefined });
  });

  test.each([
    ['nothing', ''],
    ['no line feed', 'some avg10=0.00 avg60=0.00 avg300=0.00 total=1'],
    ['another file', 'cpu  1 2 3 4\n'],
  ])('refuses %s', (_, content) => {
    expect(() => parsePressure(content)).toThrow('/proc/pressure: no total of "some" or "full"');
  });

  test.each([
    ['a negative total', 'some total=-1\nfull total=5000000\n', undefined, 5],
    ['an infinite total', 'some total=7000000\nfull total=inf\n', 7, undefined],
    ['a huge total', 'some total=99999999999999999\nfull total=5000000\n', undefined, 5],
    ['a line twice', 'some total=1\nsome total=2\nfull total=5000000\n', undefined, 5],
    ['an unknown line', 'some total=7000000\nhalf total=1\nfull total=5000000\n', 7, 5],
    ['more waits of all tasks than of some', 'some total=7000000\nfull total=7000001\n', 7, undefined],
    ['no "some" line, as of irq', 'full total=5000000\n', undefined, 5],
  ])('%s costs itself alone', (what, content, waitingSeconds, stalledSeconds) => {
    const invalid: string[] = [];
    expect(parsePressure(content, (family) => invalid.push(family))).toEqual({
      waitingSeconds,
      stalledSeconds,
    });
    expect(invalid).toEqual(what.includes('irq') ? [] : ['pressure']);
  });
});

describe('parseLoadavg', () => {
  test('a real file', () => {
    expect(parseLoadavg('0.05 0.34 1.24 2/115 560\n')).toEqual({ load1: 0.05, load5: 0.34, load15: 1.24 });
  });

  test.each([
    ['nothing', ''],
    ['no line feed', '0.05 0.34 1.24 2/115 560'],
    ['no load', 'a b c 2/115 560\n'],
    ['two lines', '0.05 0.34 1.24 2/115 560\n0.05 0.34 1.24 2/115 560\n'],
  ])('refuses %s', (_, content) => {
    expect(() => parseLoadavg(content)).toThrow('/proc/loadavg: not three load averages');
  });

  test.each(['-0.05', 'NaN', '1e308', '9007199254740992.00', '0.5'])(
    'a load of %s costs itself alone',
    (load) => {
      const invalid: string[] = [];
      expect(parseLoadavg(`${load} 0.34 1.24 2/115 560\n`, (family) => invalid.push(family))).toEqual({
        load1: undefined,
        load5: 0.34,
        load15: 1.24,
      });
      expect(invalid).toEqual(['load']);
    },
  );
});

const PARSERS = {
  '/proc/stat': (content: string) => {
    const { cpu, bootTimeSeconds } = parseProcStat(content);
    return [...Object.values<number | undefined>(cpu ?? {}), bootTimeSeconds];
  },
  '/proc/meminfo': (content: string) => {
    const memory = parseMeminfo(content);
    expect(memory.swapUsedBytes ?? 0).toBeLessThanOrEqual(memory.swapTotalBytes ?? 0);
    expect(memory.availableBytes ?? 0).toBeLessThanOrEqual(memory.totalBytes ?? Number.POSITIVE_INFINITY);
    return Object.values<number | undefined>({ ...memory });
  },
  '/proc/pressure': (content: string) => Object.values<number | undefined>({ ...parsePressure(content) }),
  '/proc/loadavg': (content: string) => Object.values<number | undefined>({ ...parseLoadavg(content) }),
};

const WORDS = ['cpu', 'cpu0', 'cpu1', 'btime', 'MemTotal:', 'MemAvailable:', 'SwapTotal:', 'SwapFree:', 'kB'];
const MORE_WORDS = [
  'some',
  'full',
  'avg10=0.00',
  'total=7',
  'total=',
  '1/2',
  '0.01',
  '-1',
  '1e308',
  'NaN',
  '٣',
];
const word = fc.oneof(
  fc.constantFrom(...WORDS, ...MORE_WORDS),
  fc.nat().map(String),
  fc.constantFrom('9007199254740991', '9007199254740992', '18446744073709551615', '0'),
);
const separator = fc.constantFrom(' ', ' ', ' ', '  ', '\n', '\t', '\r\n', '\0', '');
const procLike = fc
  .array(fc.tuple(word, separator), { maxLength: 40 })
  .map((parts) => `${parts.flat().join('')}\n`);

const honestFiles = fc
  .record({ a: fc.nat(), b: fc.nat(), digits: fc.stringMatching(/^[0-9.eE+-]{1,24}$/) })
  .chain(({ a, b, digits }) =>
    fc.constantFrom(
      lines(`cpu  ${a} ${b} ${digits} 4 5`, `btime ${b}`),
      lines(`cpu3 ${a} ${b} 1 4 5`, `cpu4 ${b} ${a} ${digits} 1 2 3`, `btime ${digits}`),
      lines(`MemTotal:  ${a} kB`, `SwapTotal:  ${digits} kB`, `SwapFree:  ${b} kB`),
      lines(`some avg10=0.00 avg60=0.00 avg300=0.00 total=${digits}`, `full total=${a}`),
      lines(`${digits} ${a}.00 0.00 1/2 3`),
    ),
  );

describe.each(Object.entries(PARSERS))('hostile text as %s', (file, parse) => {
  test('gives bounded numbers or is refused', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, procLike, honestFiles), (content) => {
        expectBoundedNumbers(parsedOrRefused(() => parse(content)) ?? []);
      }),
      { numRuns: 500 },
    );
  });

  test('more than 256 KiB is refused unread', () => {
    const endless = 'A'.repeat(MAX_PROC_FILE_CHARACTERS + 1);
    expect(() => parse(endless)).toThrow(`${file}: more than 262144 characters`);
  });

  // An expression that looks back would take hours on these, and the test would not end.
  test.each([
    'A',
    ' ',
    '\n',
    ':',
    'cpu',
    'cpu ',
    'cpu 1 ',
    'cpu1 ',
    '9',
    'MemTotal: ',
    'SwapTotal:  1',
    'some avg10=0.00 ',
    'some ',
    'avg10=0.00 ',
    '0.00 ',
    '1/',
  ])('256 KiB of %j takes no time worth speaking of', (unit) => {
    const content = unit.repeat(Math.floor((MAX_PROC_FILE_CHARACTERS - 8) / unit.length));
    for (const text of [content, `${content}\n`, `some ${content}\n`, `cpu  ${content}\n`]) {
      parsedOrRefused(() => parse(text));
    }
  });
});
