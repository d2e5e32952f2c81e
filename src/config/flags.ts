/** One command-line option; `--help` and docs/flags.md are made from these. */
export interface Flag {
  readonly name: string;
  /** Placeholder of the value in `--help`; undefined for a switch. */
  readonly value?: string;
  /** As written on the command line. */
  readonly default?: string;
  readonly help: string;
  readonly repeatable?: true;
}

export const FLAGS = [
  {
    name: 'web.listen-address',
    value: '[HOST]:PORT',
    default: ':9177',
    repeatable: true,
    help: 'Address to serve on; may be given more than once.',
  },
  {
    name: 'web.telemetry-path',
    value: 'PATH',
    default: '/metrics',
    help: 'Path under which metrics are served.',
  },
  {
    name: 'libvirt.uri',
    value: 'URI',
    default: 'qemu:///system',
    help: 'qemu:///system, qemu:///session, or qemu+unix:///system?socket=/path for another socket.',
  },
  {
    name: 'libvirt.timeout',
    value: 'DURATION',
    default: '5s',
    help: 'Timeout of one libvirt call that a scrape waits for (ms, s, m, h).',
  },
  {
    name: 'collector.disable-defaults',
    help: 'Start with no collector enabled; enable what you want with --collector.NAME.',
  },
  {
    name: 'domain.include',
    value: 'REGEX',
    default: '.*',
    help: 'Serve only domains whose whole name matches (JavaScript regular expression).',
  },
  {
    name: 'domain.exclude',
    value: 'REGEX',
    default: '',
    help: 'Leave out domains whose whole name matches (JavaScript regular expression).',
  },
  {
    name: 'guest.interval',
    value: 'DURATION',
    default: '30s',
    help: 'Interval between two probes of a guest with a connected agent.',
  },
  {
    name: 'guest.timeout',
    value: 'DURATION',
    default: '5s',
    help: 'Timeout of one guest agent command; rounded up to whole seconds.',
  },
  {
    name: 'guest.concurrency',
    value: 'NUMBER',
    default: '4',
    help: 'Number of guests probed at a time, 1 to 4.',
  },
  {
    name: 'balloon.stats-period',
    value: 'DURATION',
    default: '',
    help: 'Set this balloon statistics period on running domains that have none, until they stop. Off by default.',
  },
  { name: 'log.level', value: 'LEVEL', default: 'info', help: 'debug, info, warn or error.' },
  { name: 'log.format', value: 'FORMAT', default: 'json', help: 'json or logfmt.' },
  { name: 'config.check', help: 'Check the command line, then exit: 0 if it is valid, 1 if not.' },
  { name: 'version', help: 'Print the version, then exit.' },
  { name: 'help', help: 'Print this help, then exit.' },
] as const satisfies readonly Flag[];

export type FlagName = (typeof FLAGS)[number]['name'];

/** The part of a collector that the command line needs. */
export interface CollectorFlag {
  readonly name: string;
  readonly help: string;
  readonly enabledByDefault: boolean;
}

export function formatHelp(collectors: readonly CollectorFlag[]): string {
  const flags: readonly Flag[] = FLAGS;
  const rows: [string, string][] = flags.map(({ name, value, default: byDefault, help }) => [
    value === undefined ? `--${name}` : `--${name}=${value}`,
    byDefault === undefined || byDefault === '' ? help : `${help} Default: ${byDefault}`,
  ]);
  const collectorRows: [string, string][] = collectors.map(({ name, help, enabledByDefault }) => [
    `--${enabledByDefault ? 'no-' : ''}collector.${name}`,
    `${enabledByDefault ? 'Leave out' : 'Add'}: ${help}`,
  ]);
  return [
    'Usage: libvirt-drift-exporter [OPTION]…',
    'Prometheus exporter for KVM/libvirt hypervisors: machine-type, QEMU, configuration and OS drift.',
    '',
    'Options:',
    ...formatRows(rows),
    '',
    'Collectors (--collector.NAME enables, --no-collector.NAME disables):',
    ...formatRows(collectorRows),
  ].join('\n');
}

function formatRows(rows: readonly [string, string][]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
