import type { InterfaceConfig } from '../inventory/domain-config.ts';
import type { Collector } from '../metrics/collector.ts';
import { gauge, sanitizeLabel } from '../metrics/metric-family.ts';
import { counterOf, itemFamilies } from './stats-fields.ts';

const PREFIX = 'libvirt_domain_interface';

/** libvirt turns the host's view round: `rx` is what the guest receives. */
const METRICS = (
  [
    ['rx', 'receive', 'received by'],
    ['tx', 'transmit', 'sent by'],
  ] as const
).flatMap(([field, direction, what]) => [
  counterOf(`${field}.bytes`, `${PREFIX}_${direction}_bytes_total`, `Bytes ${what} the guest.`),
  counterOf(`${field}.pkts`, `${PREFIX}_${direction}_packets_total`, `Packets ${what} the guest.`),
  counterOf(`${field}.errs`, `${PREFIX}_${direction}_errors_total`, `Errors of packets ${what} the guest.`),
  counterOf(
    `${field}.drop`,
    `${PREFIX}_${direction}_drops_total`,
    `Packets to be ${what} the guest, dropped.`,
  ),
]);

export const interfaceCollector: Collector = {
  name: 'interface',
  help: 'traffic, errors and drops of each network interface',
  enabledByDefault: true,
  measures: ['interface'],
  *collect({ domains }) {
    const info = gauge(
      `${PREFIX}_info`,
      'What the interface is attached to; one without a name on the host has its alias or address; always 1.',
    );
    for (const { name: domain, current } of domains) {
      const named = new Set<string>();
      for (const [index, of] of (current?.interfaces ?? []).entries()) {
        const device = sanitizeLabel(of.target ?? of.alias ?? of.mac ?? String(index));
        // Two of one name would repeat a series, which spoils the whole scrape.
        if (named.has(device)) continue;
        named.add(device);
        info.samples.push({ labels: { domain, device, ...infoLabels(of) }, value: 1 });
      }
    }
    yield info;
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
