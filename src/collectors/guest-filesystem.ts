import type { Collector } from '../metrics/collector.ts';
import { gauge, sanitizeLabel } from '../metrics/metric-family.ts';

export const guestFilesystemCollector: Collector = {
  name: 'guest-filesystem',
  help: "each guest's filesystems (asking can hang the agent on a dead network mount)",
  enabledByDefault: false,
  collect: ({ domains }) => {
    const size = gauge(
      'libvirt_domain_guest_filesystem_size_bytes',
      'Size of a filesystem inside the guest, from the last probe.',
    );
    const used = gauge(
      'libvirt_domain_guest_filesystem_used_bytes',
      'Space in use on it, from the last probe.',
    );
    for (const { name, guest } of domains) {
      for (const { mountpoint, fstype, totalBytes, usedBytes } of guest?.filesystems ?? []) {
        const labels = { domain: name, mountpoint: sanitizeLabel(mountpoint), fstype: sanitizeLabel(fstype) };
        if (totalBytes !== undefined) size.samples.push({ labels, value: totalBytes });
        if (usedBytes !== undefined) used.samples.push({ labels, value: usedBytes });
      }
    }
    return [size, used];
  },
};
