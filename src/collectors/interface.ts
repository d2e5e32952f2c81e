import type { InterfaceConfig } from '../inventory/domain-config.ts';
import type { Collector } from '../metrics/collector.ts';
import { addSample, info, newFamily, sanitizeLabel } from '../metrics/metric-family.ts';
import { fieldCounter, itemFamilies } from './stats-fields.ts';

const PREFIX = 'libvirt_domain_interface';
const LABELS = ['domain', 'device'];

const INFO = info(
  `${PREFIX}_info`,
  'Type, source, model, MAC address and MTU of the network interface; device is its name on the host, else its alias ' +
    'or MAC address; always 1.',
  [...LABELS, 'interface_type', 'source', 'model', 'mac', 'mtu', 'interface_id'],
  { needs: '`interface_id`: a port of Open vSwitch (Neutron)' },
);

/** libvirt reports the guest's view: `rx` is what the guest receives. */
const METRICS = (
  [
    ['rx', 'receive', 'received'],
    ['tx', 'transmit', 'sent'],
  ] as const
).flatMap(([field, direction, done]) => [
  fieldCounter(
    `${field}.bytes`,
    `${PREFIX}_${direction}_bytes_total`,
    `Data that the guest ${done} through the network interface, in bytes.`,
    LABELS,
  ),
  fieldCounter(
    `${field}.pkts`,
    `${PREFIX}_${direction}_packets_total`,
    `Packets that the guest ${done} through the network interface.`,
    LABELS,
  ),
  fieldCounter(
    `${field}.errs`,
    `${PREFIX}_${direction}_errors_total`,
    `Errors of packets that the guest ${done} through the network interface.`,
    LABELS,
  ),
  fieldCounter(
    `${field}.drop`,
    `${PREFIX}_${direction}_drops_total`,
    `Packets ${field === 'rx' ? 'to' : 'from'} the guest that were dropped at the network interface.`,
    LABELS,
  ),
]);

export const interfaceCollector: Collector = {
  name: 'interface',
  help: 'traffic, errors and drops of each network interface',
  enabledByDefault: true,
  measures: ['interface'],
  families: [INFO, ...METRICS.map(({ spec }) => spec)],
  *collect({ domains }) {
    const interfaces = newFamily(INFO);
    for (const { name: domain, current } of domains) {
      const named = new Set<string>();
      for (const [index, of] of (current?.interfaces ?? []).entries()) {
        const device = sanitizeLabel(of.target ?? of.alias ?? of.mac ?? String(index));
        // A second interface of the same name would repeat a series, and Prometheus then rejects the whole scrape.
        if (named.has(device)) continue;
        named.add(device);
        addSample(interfaces, { domain, device, ...infoLabels(of) }, 1);
      }
    }
    yield interfaces;
    yield* itemFamilies(METRICS, 'device', domains, (domain) => domain.measured?.stats?.interfaces);
  },
};

function infoLabels({ type, source, model, mac, mtu, interfaceId }: InterfaceConfig): Record<string, string> {
  return {
    interface_type: sanitizeLabel(type),
    source: sanitizeLabel(source),
    model: sanitizeLabel(model),
    mac: sanitizeLabel(mac),
    mtu: sanitizeLabel(mtu),
    interface_id: sanitizeLabel(interfaceId),
  };
}
