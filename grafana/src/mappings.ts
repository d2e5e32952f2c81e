import { MappingType, SpecialValueMatch, type ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';

/** Colours say the consequence, everywhere the same. */
export const COLOR = {
  broken: 'red',
  wrong: 'orange',
  soon: 'yellow',
  note: 'blue',
  good: 'green',
  unknown: 'text',
} as const;

type Meaning = readonly [value: string, text: string, color: string];

function mapped(meanings: readonly Meaning[]): ValueMapping[] {
  const options = Object.fromEntries(
    meanings.map(([value, text, color], index) => [value, { text, color, index }]),
  );
  return [{ type: MappingType.ValueToText, options }];
}

/** For 0 and 1; a third text for a value that is not there. */
function yesOrNo(
  no: readonly [string, string],
  yes: readonly [string, string],
  absent?: string,
): ValueMapping[] {
  const both = mapped([
    ['0', ...no],
    ['1', ...yes],
  ]);
  if (absent === undefined) return both;
  const result = { text: absent, color: COLOR.unknown, index: 2 };
  return [...both, { type: MappingType.SpecialValue, options: { match: SpecialValueMatch.Null, result } }];
}

export const SUPPORTED = yesOrNo(['will not start', COLOR.broken], ['yes', COLOR.good]);
export const OUTDATED = yesOrNo(['no', COLOR.good], ['until restart', COLOR.wrong], 'unknown');
export const AGENT = yesOrNo(['silent', COLOR.wrong], ['answers', COLOR.good], 'no channel');
export const SUCCESS = yesOrNo(['failed', COLOR.broken], ['ok', COLOR.good]);

export const OS_DRIFT = mapped([
  ['match', 'as declared', COLOR.good],
  ['minor_differs', 'minor version differs', COLOR.note],
  ['major_differs', 'major version differs', COLOR.wrong],
  ['distro_differs', 'another distribution', COLOR.wrong],
  ['declared_missing', 'nothing declared', COLOR.soon],
  ['declared_unknown', 'declared OS unknown', COLOR.soon],
  ['agent_unavailable', 'guest does not tell', COLOR.unknown],
  ['unmappable', 'no id for this OS', COLOR.unknown],
]);

export const SEVERITY = mapped([
  ['critical', 'critical', COLOR.broken],
  ['warning', 'warning', COLOR.wrong],
  ['info', 'info', COLOR.note],
]);

export const POOL_STATE = mapped([
  ['running', 'running', COLOR.good],
  ['inactive', 'inactive', COLOR.unknown],
  ['building', 'building', COLOR.note],
  ['degraded', 'degraded', COLOR.wrong],
  ['inaccessible', 'inaccessible', COLOR.broken],
]);

export const DOMAIN_STATE = mapped([
  ['running', 'running', COLOR.good],
  ['blocked', 'blocked', COLOR.good],
  ['paused', 'paused', COLOR.soon],
  ['shutdown', 'shutting down', COLOR.soon],
  ['shutoff', 'shut off', COLOR.unknown],
  ['crashed', 'crashed', COLOR.broken],
  ['pmsuspended', 'suspended', COLOR.soon],
  ['nostate', 'no state', COLOR.unknown],
]);

/** Reasons of `libvirt_domain_guest_missing`, turned into the next step. */
export const WHAT_TO_DO = mapped([
  ['no_channel', 'Add the channel org.qemu.guest_agent.0 to the domain', COLOR.soon],
  ['agent_disconnected', 'Start qemu-guest-agent in the guest', COLOR.wrong],
  [
    'agent_silent',
    'Restart qemu-guest-agent in the guest: it does not answer; of the balloon, load virtio_balloon there',
    COLOR.wrong,
  ],
  [
    'command_disabled',
    'Allow the command in the guest: FILTER_RPC_ARGS, BLOCK_RPCS in /etc/sysconfig/qemu-ga',
    COLOR.soon,
  ],
  ['unsupported', 'Upgrade agent or kernel, or add a balloon: this one cannot tell', COLOR.note],
  ['invalid_reply', 'Look at the guest: what it answered cannot be true', COLOR.wrong],
  ['frozen', 'Wait: a backup holds its file systems', COLOR.note],
  ['busy', 'Wait: another job holds the domain', COLOR.note],
  [
    'balloon_period_off',
    'virsh dommemstat VM --period 10 --live --config, or --balloon.stats-period=10s',
    COLOR.soon,
  ],
  ['read_only', 'Give the exporter the read-write socket', COLOR.soon],
  ['opted_out', 'Nothing: its owner wants it left alone', COLOR.unknown],
]);
