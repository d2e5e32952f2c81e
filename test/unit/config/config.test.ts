import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ConfigError, type ExporterConfig, parseCommandLine } from '../../../src/config/config.ts';
import type { CollectorFlag } from '../../../src/config/flags.ts';

const COLLECTORS: readonly CollectorFlag[] = [
  { name: 'alpha', help: 'first things', enabledByDefault: true },
  { name: 'beta-two', help: 'second things', enabledByDefault: true },
  { name: 'gamma', help: 'third things', enabledByDefault: false },
];

function configOf(...args: string[]): ExporterConfig {
  const commandLine = parseCommandLine(args, COLLECTORS);
  if ('config' in commandLine) return commandLine.config;
  throw new Error(`no error for: ${args.join(' ')}`);
}

function errorOf(...args: string[]): Error {
  try {
    parseCommandLine(args, COLLECTORS);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error(`accepted: ${args.join(' ')}`);
}

test('without arguments: the documented defaults', () => {
  expect(parseCommandLine([], COLLECTORS)).toEqual({
    action: 'run',
    config: {
      web: { listenAddresses: [{ host: undefined, port: 9177 }], telemetryPath: '/metrics' },
      guest: { intervalMs: 30_000, timeoutSeconds: 5, concurrency: 4 },
      balloonStatsPeriod: undefined,
      libvirt: { uri: 'qemu:///system', timeoutMs: 5_000 },
      collectors: new Set(['alpha', 'beta-two']),
      domains: { include: expect.any(RegExp), exclude: undefined },
      log: { level: 'info', format: 'json' },
    },
  });
});

describe('what each flag sets', () => {
  test.each<[string, (config: ExporterConfig) => unknown, unknown]>([
    ['--web.listen-address=[::1]:1', ({ web }) => web.listenAddresses, [{ host: '::1', port: 1 }]],
    ['--web.telemetry-path=/a/b-c_d.e~f', ({ web }) => web.telemetryPath, '/a/b-c_d.e~f'],
    ['--libvirt.uri=qemu:///session', ({ libvirt }) => libvirt.uri, 'qemu:///session'],
    [
      '--libvirt.uri=qemu+unix:///system?socket=/run/x',
      ({ libvirt }) => libvirt.uri,
      'qemu+unix:///system?socket=/run/x',
    ],
    ['--libvirt.timeout=250ms', ({ libvirt }) => libvirt.timeoutMs, 250],
    ['--libvirt.timeout=1.5m', ({ libvirt }) => libvirt.timeoutMs, 90_000],
    ['--log.level=debug', ({ log }) => log.level, 'debug'],
    ['--log.level=info', ({ log }) => log.level, 'info'],
    ['--log.level=warn', ({ log }) => log.level, 'warn'],
    ['--log.level=error', ({ log }) => log.level, 'error'],
    ['--log.format=json', ({ log }) => log.format, 'json'],
    ['--log.format=logfmt', ({ log }) => log.format, 'logfmt'],
  ])('%s', (flag, read, expected) => {
    expect(read(configOf(flag))).toEqual(expected);
    const [name = '', ...value] = flag.split('=');
    expect(read(configOf(name, value.join('=')))).toEqual(expected);
  });

  test('of a flag given twice the last counts', () => {
    expect(configOf('--libvirt.timeout=1s', '--libvirt.timeout=2s').libvirt.timeoutMs).toBe(2_000);
  });

  test('--web.listen-address adds up, in order, and replaces the default', () => {
    const flags = ['--web.listen-address=:1', '--web.listen-address', 'b:2', '--web.listen-address=[::1]:3'];
    expect(configOf(...flags).web.listenAddresses).toEqual([
      { host: undefined, port: 1 },
      { host: 'b', port: 2 },
      { host: '::1', port: 3 },
    ]);
  });
});

describe('the action', () => {
  test.each([
    [[], 'run'],
    [['--config.check'], 'check'],
    [['--version'], 'version'],
    [['--help'], 'help'],
    [['--version', '--config.check'], 'version'],
    [['--version', '--help'], 'help'],
    [['--help', '--log.level=shouting'], 'help'],
  ] as const)('%j: %s', (args, action) => {
    expect(parseCommandLine(args, COLLECTORS).action).toBe(action);
  });
});

describe('the collectors', () => {
  test.each<[string[], string[]]>([
    [[], ['alpha', 'beta-two']],
    [['--collector.gamma'], ['alpha', 'beta-two', 'gamma']],
    [['--collector.alpha'], ['alpha', 'beta-two']],
    [['--no-collector.alpha'], ['beta-two']],
    [['--no-collector.gamma'], ['alpha', 'beta-two']],
    [
      ['--no-collector.beta-two', '--collector.gamma'],
      ['alpha', 'gamma'],
    ],
    [['--collector.disable-defaults'], []],
    [['--collector.disable-defaults', '--collector.gamma'], ['gamma']],
    [
      ['--collector.beta-two', '--collector.disable-defaults', '--collector.alpha'],
      ['alpha', 'beta-two'],
    ],
    [['--collector.disable-defaults', '--no-collector.alpha'], []],
  ])('%j', (args, enabled) => {
    expect([...configOf(...args).collectors]).toEqual(enabled);
  });
});

describe('the domain filters match whole names', () => {
  test.each<[string, string, boolean]>([
    ['.*', '', true],
    ['.*', 'any\nname 😀', true],
    ['web', 'web', true],
    ['web', 'web-1', false],
    ['web', 'my-web', false],
    ['web|db', 'db', true],
    ['web|db', 'web-db', false],
    ['web-\\d+', 'web-12', true],
    ['(?:a|b)\\.example', 'b.example', true],
    ['a.b', 'a\nb', true],
    ['^web$', 'web', true],
    ['web', 'web\n', false],
  ])('%j and %j: %s', (source, name, matches) => {
    expect(configOf(`--domain.include=${source}`).domains.include.test(name)).toBe(matches);
    expect(configOf(`--domain.exclude=${source}`).domains.exclude?.test(name)).toBe(matches);
  });

  test('the same arguments give the same result', () => {
    const { include } = configOf('--domain.include=web').domains;
    expect([include.test('web'), include.test('web')]).toEqual([true, true]);
  });

  test('an empty --domain.exclude excludes nothing', () => {
    expect(configOf('--domain.exclude=').domains.exclude).toBeUndefined();
  });
});

describe('a command line that cannot be used: one line, naming the flag', () => {
  test.each<[string[], string]>([
    [['--web.listen-address=9177'], '--web.listen-address=9177'],
    [['--web.listen-address='], '--web.listen-address='],
    [['--web.listen-address=:1', '--web.listen-address=:70000'], '--web.listen-address=:70000'],
    [['--web.listen-address'], '--web.listen-address'],
    [['--web.telemetry-path=metrics'], '--web.telemetry-path=metrics'],
    [['--web.telemetry-path='], '--web.telemetry-path='],
    [['--web.telemetry-path=/'], '--web.telemetry-path=/'],
    [['--web.telemetry-path=/metrics/'], '--web.telemetry-path=/metrics/'],
    [['--web.telemetry-path=/-/healthy'], '--web.telemetry-path=/-/healthy'],
    [['--web.telemetry-path=/a b'], '--web.telemetry-path=/a b'],
    [['--web.telemetry-path=/<script>'], '--web.telemetry-path=/<script>'],
    [['--web.telemetry-path=/:id'], '--web.telemetry-path=/:id'],
    [['--web.telemetry-path=/*all'], '--web.telemetry-path=/*all'],
    [['--web.telemetry-path=/a?b'], '--web.telemetry-path=/a?b'],
    [['--web.telemetry-path=/a\nb'], '--web.telemetry-path=/a b'],
    [['--libvirt.timeout=0s'], '--libvirt.timeout=0s'],
    [['--libvirt.timeout=5'], '--libvirt.timeout=5'],
    [['--libvirt.timeout=-1s'], '--libvirt.timeout=-1s'],
    [['--libvirt.timeout=2d'], '--libvirt.timeout=2d'],
    [['--libvirt.timeout=25h'], '--libvirt.timeout=25h'],
    [['--libvirt.timeout='], '--libvirt.timeout='],
    [['--libvirt.timeout'], '--libvirt.timeout'],
    [['--libvirt.timeout', '--log.level'], '--libvirt.timeout'],
    [['--libvirt.uri'], '--libvirt.uri'],
    [['--domain.include=('], '--domain.include'],
    [['--domain.include=a)|(b'], '--domain.include'],
    [['--domain.include=[z-a]'], '--domain.include'],
    [['--domain.exclude=*'], '--domain.exclude'],
    [['--domain.exclude=(\n'], '--domain.exclude'],
    [['--log.level=loud'], '--log.level=loud'],
    [['--log.level=INFO'], '--log.level=INFO'],
    [['--log.level=a\r\nb'], '--log.level=a b'],
    [['--log.format=xml'], '--log.format=xml'],
    [['--log.format='], '--log.format='],
    [['--config.check=yes'], '--config.check'],
    [['--version=1'], '--version'],
    [['--collector.alpha=1'], '--collector.alpha'],
    [['--collector.nothing'], '--collector.nothing'],
    [['--no-collector.nothing'], '--no-collector.nothing'],
    [['--collector.alpha', '--no-collector.alpha'], '--collector.alpha'],
    [['--no-collector.gamma', '--collector.gamma'], '--no-collector.gamma'],
    [['--no-such-flag'], '--no-such-flag'],
    [['--no-such-flag=1'], '--no-such-flag'],
    [['--no-config.check'], '--no-config.check'],
    [['--web.listen_address=:1'], '--web.listen_address'],
    [['-h'], '-h'],
    [['--two\nlines'], '--two'],
  ])('%j', (args, flag) => {
    const error = errorOf(...args);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ name: 'ConfigError', code: 'ERR_CONFIG' });
    expect(error.message).toContain(flag);
    expect(error.message).not.toMatch(/[\r\n]/);
  });

  test('a stray word is shown', () => {
    expect(errorOf('check').message).toContain("'check'");
  });

  test('it says what is wanted instead', () => {
    expect(errorOf('--log.level=loud').message).toContain('debug, info, warn, error');
    expect(errorOf('--log.format=xml').message).toContain('json, logfmt');
    expect(errorOf('--libvirt.timeout=5').message).toContain('500ms');
    expect(errorOf('--web.listen-address=x').message).toContain('[::1]:9177');
    expect(errorOf('--nope').message).toContain('--help');
  });

  test('the regular expression is quoted as it was written', () => {
    expect(errorOf('--domain.include=[z-a]').message).toContain('/[z-a]/');
  });

  test('any arguments: a configuration, or a ConfigError of one line', () => {
    const names = [
      'web.listen-address',
      'web.telemetry-path',
      'libvirt.timeout',
      'domain.include',
      'log.level',
    ];
    const argument = fc.oneof(
      fc.string(),
      fc.tuple(fc.constantFrom(...names), fc.string()).map(([name, value]) => `--${name}=${value}`),
    );
    fc.assert(
      fc.property(fc.array(argument, { maxLength: 4 }), (args) => {
        try {
          parseCommandLine(args, COLLECTORS);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect(String(error)).not.toMatch(/[\r\n]/);
        }
      }),
    );
  });
});
