import type { Collector } from '../scrape/collector.ts';
import { gauge, labelText } from '../scrape/metric-family.ts';

export const osCollector: Collector = {
  name: 'os',
  help: "each domain's declared OS and its end of life",
  enabledByDefault: true,
  collect: ({ domains, endOfLife }) => {
    const info = gauge(
      'libvirt_domain_os_info',
      'Operating system that the configuration declares (osinfo id) and the one found running; empty where ' +
        'unknown; always 1.',
    );
    const eol = gauge(
      'libvirt_domain_os_eol_timestamp_seconds',
      'End of life of the operating system, Unix time; absent where osinfo-db has no date.',
    );
    for (const { name, current } of domains) {
      if (current === undefined) continue;
      const declared = labelText(current.declaredOs);
      info.samples.push({
        labels: { domain: name, declared, detected: '', name: '', version_id: '', kernel: '' },
        value: 1,
      });
      const eolSeconds = current.declaredOs === undefined ? undefined : endOfLife(current.declaredOs);
      if (eolSeconds !== undefined)
        eol.samples.push({ labels: { domain: name, os: declared }, value: eolSeconds });
    }
    return [info, eol];
  },
};
