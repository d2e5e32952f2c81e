import { IO_ERROR_REASONS, type IoErrorReason, NO_IO_ERRORS } from '../inventory/disk-events.ts';
import type { DiskConfig } from '../inventory/domain-config.ts';
import type { Collector } from '../metrics/collector.ts';
import { addSample, counter, gauge, newFamily, sanitizeLabel } from '../metrics/metric-family.ts';
import type { DomainSnapshot } from '../snapshot/snapshot.ts';

/** Names of virDomainDiskErrorCode, indexed by its numbers; 0 is no error. */
const DISK_ERRORS = [undefined, 'unspecified', 'no_space'] as const;

const DISK_ERROR = gauge(
  'libvirt_domain_disk_error',
  'Error of a disk that has stopped the domain: 1 while the domain is paused for it, absent otherwise.',
  ['domain', 'device', 'error'],
  { values: { error: ['unspecified', 'no_space'] } },
);
const IO_ERRORS = counter(
  'libvirt_domain_io_errors_total',
  "Number of libvirt's events about failed requests to the disk since the exporter started; one event can stand for several " +
    'failures, and events while libvirt does not answer are not counted.',
  ['domain', 'device', 'reason'],
  { values: { reason: IO_ERROR_REASONS } },
);
const THRESHOLDS = counter(
  'libvirt_domain_block_threshold_events_total',
  'Number of times that the guest wrote beyond a threshold of the disk since the exporter started; absent before the first ' +
    'time.',
  ['domain', 'device'],
  { needs: 'A client of libvirt that sets thresholds (`virsh domblkthreshold`), such as oVirt' },
);

export const diskErrorsCollector: Collector = {
  name: 'disk-errors',
  help: 'failed requests to disks, and disks that have stopped their domain',
  enabledByDefault: true,
  measures: ['disk-errors'],
  families: [DISK_ERROR, IO_ERRORS, THRESHOLDS],
  collect: ({ domains }) => {
    const errors = newFamily(DISK_ERROR);
    const ioErrors = newFamily(IO_ERRORS);
    const thresholds = newFamily(THRESHOLDS);
    for (const domain of domains) {
      const { name, measured, diskEvents } = domain;
      for (const [device, code] of measured?.diskErrors ?? []) {
        if (code === 0 || !isCurrent(domain, device)) continue;
        const error = DISK_ERRORS[code] ?? 'unspecified';
        addSample(errors, { domain: name, device: sanitizeLabel(device), error }, 1);
      }
      for (const { device, reason, count } of ioErrorsOf(domain))
        addSample(ioErrors, { domain: name, device: sanitizeLabel(device), reason }, count);
      for (const [device, count] of diskEvents.thresholds)
        addSample(thresholds, { domain: name, device: sanitizeLabel(device) }, count);
    }
    return [errors, ioErrors, thresholds];
  },
};

/**
 * QEMU 7.2 goes on reporting the error of a disk after the domain was resumed (observed with libvirt 9.0). Where the exporter
 * has seen for which disks the domain was paused this time, errors of other disks are old.
 */
function isCurrent({ diskEvents: { pausedBy } }: DomainSnapshot, device: string): boolean {
  return pausedBy.size === 0 || pausedBy.has(device);
}

/**
 * A disk of a running domain has a series from the start for the reasons that libvirt has, because the increase of a counter
 * that appears with its first event cannot be seen.
 */
function* ioErrorsOf({
  id,
  current,
  diskEvents,
}: DomainSnapshot): Generator<{ device: string; reason: IoErrorReason; count: number }> {
  const disks = id < 0 ? [] : (current?.disks ?? []).filter(canFail).map(({ target }) => target);
  for (const device of new Set([...disks, ...diskEvents.ioErrors.keys()])) {
    const counts = diskEvents.ioErrors.get(device) ?? NO_IO_ERRORS;
    for (const reason of IO_ERROR_REASONS) {
      if (reason !== 'other' || counts.other > 0) yield { device, reason, count: counts[reason] };
    }
  }
}

function canFail({ device }: DiskConfig): boolean {
  return device === 'disk' || device === 'lun';
}
