/** Every selector carries both, so that the dashboards work beside others in one Prometheus. */
const SCOPE = ['job=~"$job"', 'instance=~"$instance"'];

/** What one domain's series are joined on. */
export const ONE_DOMAIN = 'job, instance, domain';

/** Rows of tables are told apart by these two, and links lead on by them. */
export const ROW = 'instance, domain';

/** On the dashboard of one domain. */
export const DOMAIN = 'domain=~"$domain"';

export function select(metric: string, ...matchers: readonly string[]): string {
  return `${metric}{${[...SCOPE, ...matchers].join(', ')}}`;
}

export function rate(metric: string, ...matchers: readonly string[]): string {
  return `rate(${select(metric, ...matchers)}[$__rate_interval])`;
}

/**
 * Of series that other jobs have, too (`job` may be All), those of this exporter's targets. Prometheus' own of a target,
 * such as `up`, are also there while it does not answer: they need the time within which it once did.
 */
export function ofExporters(series: string, within?: string): string {
  const served = select('libvirt_exporter_build_info');
  const once = within === undefined ? served : `last_over_time(${served}[${within}])`;
  return `(${series} and on (job, instance) ${once})`;
}

/** Share of the guest's CPU time that went into one mode; idle counts as time. */
export function guestCpuShare(mode: string, by: string, ...matchers: readonly string[]): string {
  const metric = 'libvirt_domain_guest_cpu_seconds_total';
  const part = rate(metric, `mode="${mode}"`, ...matchers);
  return `sum by (${by}) (${part}) / sum by (${by}) (${rate(metric, ...matchers)})`;
}

/** A rate by the balloon driver; a gap while its statistics stand still, which would look like no traffic. */
export function balloonRate(metric: string, ...matchers: readonly string[]): string {
  const updates = select('libvirt_domain_balloon_last_update_timestamp_seconds', ...matchers);
  return `(${rate(metric, ...matchers)} and on (${ONE_DOMAIN}) (changes(${updates}[5m]) > 0))`;
}

/** Bytes a second that guests move to and from swap, told by the balloon driver. */
export function swapTraffic(by: string, ...matchers: readonly string[]): string {
  const into = balloonRate('libvirt_domain_balloon_swap_in_bytes_total', ...matchers);
  const out = balloonRate('libvirt_domain_balloon_swap_out_bytes_total', ...matchers);
  return `sum by (${by}) (${into}) + sum by (${by}) (${out})`;
}

/** Seconds that one request took on average; a gap while there are none. */
export function blockLatency(direction: 'read' | 'write' | 'flush', ...matchers: readonly string[]): string {
  const by = `${ONE_DOMAIN}, device`;
  const time = rate(`libvirt_domain_block_${direction}_time_seconds_total`, ...matchers);
  const requests = rate(`libvirt_domain_block_${direction}_requests_total`, ...matchers);
  return `sum by (${by}) (${time}) / sum by (${by}) (${requests})`;
}

/** OS ids are URLs such as http://ubuntu.com/ubuntu/20.04; people read ubuntu/20.04. */
export function shortOsId(expression: string, label: string): string {
  return `label_replace(${expression}, "${label}", "$1", "${label}", "https?://[^/]+/(.+)")`;
}

/** Copies a label's value to another label, for tables in which the same label would mean two things. */
export function copyLabel(expression: string, from: string, to: string): string {
  return `label_replace(${expression}, "${to}", "$1", "${from}", "(.+)")`;
}

/** A text for what is not known: a legend would show nothing in its place. */
export function orElse(expression: string, label: string, text: string): string {
  return `label_replace(${expression}, "${label}", "${text}", "${label}", "")`;
}

export function driftState(...matchers: readonly string[]): string {
  return copyLabel(`${select('libvirt_domain_os_drift', ...matchers)} == 1`, 'state', 'drift');
}

/** Firing alerts of the shipped rules; the value is when each became active, in milliseconds. */
export function firingAlerts(...matchers: readonly string[]): string {
  const named = ['alertname=~"Libvirt.+"', ...matchers];
  const firing = select('ALERTS', 'alertstate="firing"', ...named);
  return `${firing} * ignoring (alertstate) ${select('ALERTS_FOR_STATE', ...named)} * 1000`;
}
