import { parseArgs } from 'node:util';
import { parseDuration } from './duration.ts';
import { type CollectorFlag, FLAGS, type Flag, type FlagName } from './flags.ts';
import { type ListenAddress, parseListenAddress } from './listen-address.ts';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const LOG_FORMATS = ['json', 'logfmt'] as const;

export interface ExporterConfig {
  readonly web: { readonly listenAddresses: readonly ListenAddress[]; readonly telemetryPath: string };
  readonly libvirt: { readonly uri: string; readonly timeoutMs: number };
  /** Names of the enabled collectors. */
  readonly collectors: ReadonlySet<string>;
  readonly domains: { readonly include: RegExp; readonly exclude: RegExp | undefined };
  readonly guest: {
    readonly intervalMs: number;
    readonly timeoutSeconds: number;
    readonly concurrency: number;
  };
  /** Seconds; undefined when no period is to be set. */
  readonly balloonStatsPeriod: number | undefined;
  readonly log: {
    readonly level: (typeof LOG_LEVELS)[number];
    readonly format: (typeof LOG_FORMATS)[number];
  };
}

export type CommandLine =
  | { readonly action: 'version' | 'help' }
  | { readonly action: 'run' | 'check'; readonly config: ExporterConfig };

/** The command line is not valid; the message is one line that names the option. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'ERR_CONFIG';

  constructor(message: string, options?: ErrorOptions) {
    super(message.replaceAll(/\s+/g, ' '), options);
  }
}

type RawValues = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/**
 * Parses the arguments that follow the program's name.
 * @throws ConfigError
 */
export function parseCommandLine(args: readonly string[], collectors: readonly CollectorFlag[]): CommandLine {
  const values = parseFlags(args, collectors);
  // Before the other values are checked: who needs --help may have set one of them wrong.
  const information = (['help', 'version'] as const).find((name) => values[name] === true);
  if (information !== undefined) return { action: information };
  const text = (name: FlagName): string => {
    const value = values[name];
    return typeof value === 'string' ? value : '';
  };
  return {
    action: values['config.check'] === true ? 'check' : 'run',
    config: {
      web: {
        listenAddresses: listenAddresses(values['web.listen-address']),
        telemetryPath: telemetryPath(text('web.telemetry-path')),
      },
      libvirt: { uri: text('libvirt.uri'), timeoutMs: duration('libvirt.timeout', text('libvirt.timeout')) },
      collectors: enabledCollectors(values, collectors),
      domains: {
        include: wholeMatch('domain.include', text('domain.include')),
        exclude:
          text('domain.exclude') === '' ? undefined : wholeMatch('domain.exclude', text('domain.exclude')),
      },
      guest: {
        intervalMs: duration('guest.interval', text('guest.interval')),
        timeoutSeconds: Math.ceil(duration('guest.timeout', text('guest.timeout')) / 1000),
        concurrency: concurrency(text('guest.concurrency')),
      },
      balloonStatsPeriod:
        text('balloon.stats-period') === ''
          ? undefined
          : Math.ceil(duration('balloon.stats-period', text('balloon.stats-period')) / 1000),
      log: {
        level: oneOf('log.level', text('log.level'), LOG_LEVELS),
        format: oneOf('log.format', text('log.format'), LOG_FORMATS),
      },
    },
  };
}

function parseFlags(args: readonly string[], collectors: readonly CollectorFlag[]): RawValues {
  const flags: readonly Flag[] = FLAGS;
  const options = Object.fromEntries([
    ...flags.map(({ name, value, default: byDefault, repeatable }) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        ...(repeatable === undefined ? {} : { multiple: true }),
        ...(byDefault === undefined ? {} : { default: repeatable === undefined ? byDefault : [byDefault] }),
      },
    ]),
    ...collectors.flatMap(({ name }) => [
      [`collector.${name}`, { type: 'boolean' as const }],
      [`no-collector.${name}`, { type: 'boolean' as const }],
    ]),
  ]);
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    const [problem] = (cause as Error).message.split(/\. |\n/);
    throw new ConfigError(`${problem}; see --help`, { cause });
  }
}

function enabledCollectors(values: RawValues, collectors: readonly CollectorFlag[]): ReadonlySet<string> {
  const noDefaults = values['collector.disable-defaults'] === true;
  const enabled = collectors.filter(({ name, enabledByDefault }) => {
    const wanted = values[`collector.${name}`] === true;
    const unwanted = values[`no-collector.${name}`] === true;
    if (wanted && unwanted)
      throw new ConfigError(`--collector.${name} and --no-collector.${name} contradict`);
    return wanted || (enabledByDefault && !noDefaults && !unwanted);
  });
  return new Set(enabled.map(({ name }) => name));
}

function listenAddresses(values: RawValues[string]): ListenAddress[] {
  return (Array.isArray(values) ? values : []).map((value) => {
    const address = parseListenAddress(String(value));
    if (address === undefined) {
      throw new ConfigError(
        `--web.listen-address=${value}: want [HOST]:PORT, for example :9177 or [::1]:9177`,
      );
    }
    return address;
  });
}

function telemetryPath(path: string): string {
  if (!/^\/[\w./~-]*[\w~-]$/.test(path) || path.startsWith('/-/')) {
    throw new ConfigError(
      `--web.telemetry-path=${path}: want a path such as /metrics, other than / and /-/…`,
    );
  }
  return path;
}

function duration(flag: FlagName, text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined) {
    throw new ConfigError(`--${flag}=${text}: want a duration such as 500ms, 5s or 1m, at most a day`);
  }
  return milliseconds;
}

function concurrency(text: string): number {
  if (!/^[1-4]$/.test(text)) throw new ConfigError(`--guest.concurrency=${text}: want a number from 1 to 4`);
  return Number(text);
}

function wholeMatch(flag: FlagName, source: string): RegExp {
  if (source === '') throw new ConfigError(`--${flag}: an empty expression matches no name`);
  try {
    // Compiled alone first: "a)|(b" is valid only inside the brackets below, and would then match parts of names.
    const { source: valid } = new RegExp(source, 's');
    return new RegExp(`^(?:${valid})$`, 's');
  } catch (cause) {
    throw new ConfigError(`--${flag}: ${(cause as Error).message}`, { cause });
  }
}

function oneOf<T extends string>(flag: FlagName, text: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === text);
  if (found === undefined) throw new ConfigError(`--${flag}=${text}: want one of ${allowed.join(', ')}`);
  return found;
}
