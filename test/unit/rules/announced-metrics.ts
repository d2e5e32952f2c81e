/**
 * Metrics and labels that rules use and the exporter does not serve yet, without those of the target. A line goes when its
 * metric is served.
 */
export const ANNOUNCED: ReadonlyMap<string, readonly string[]> = new Map([
  ['ALERTS', ['alertname', 'alertstate', 'cause', 'severity', 'job', 'instance', 'domain']],
  ['libvirt_domain_stats_timestamp_seconds', ['domain']],
  ['libvirt_domain_state_reason_info', ['domain', 'state', 'reason']],
  ['libvirt_domain_process_blocked_seconds', ['domain']],
  ['libvirt_domain_process_swap_bytes', ['domain']],
  ['libvirt_domain_pressure_waiting_seconds_total', ['domain', 'resource']],
  ['libvirt_domain_cpu_quota_cores', ['domain']],
  ['libvirt_domain_cpu_periods_total', ['domain']],
  ['libvirt_domain_cpu_throttled_periods_total', ['domain']],
  ['libvirt_domain_cpu_throttled_seconds_total', ['domain']],
  ['libvirt_hypervisor_cpus', []],
  ['libvirt_hypervisor_pressure_waiting_seconds_total', ['resource']],
  ['libvirt_domain_block_job_active', ['domain', 'device', 'type']],
  ['libvirt_domain_block_backing_chain_length', ['domain', 'device']],
  ['libvirt_domain_disk_error', ['domain', 'device', 'error']],
  ['libvirt_domain_io_errors_total', ['domain', 'device', 'reason']],
  ['libvirt_domain_start_blocked', ['domain', 'reason']],
  ['libvirt_domain_managed_save', ['domain']],
  ['libvirt_domain_snapshot_oldest_timestamp_seconds', ['domain']],
  ['libvirt_domain_config_advice', ['domain', 'advice']],
]);
