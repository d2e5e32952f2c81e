import type { InterfaceConfig } from './domain-config.ts';
import { attribute, child, type XmlElement } from './xml.ts';

/** Parses one `<interface>`. `bounded` cuts long strings and makes empty ones undefined. */
export function parseInterface(
  element: XmlElement,
  bounded: (text: string | undefined) => string | undefined,
): InterfaceConfig {
  const source = child(element, 'source');
  const port = child(child(element, 'virtualport'), 'parameters');
  const attachedTo = ['bridge', 'network', 'dev', 'path'].map((name) => attribute(source, name));
  return {
    target: bounded(attribute(child(element, 'target'), 'dev')),
    alias: bounded(attribute(child(element, 'alias'), 'name')),
    type: bounded(attribute(element, 'type')) ?? '',
    source: bounded(attachedTo.find((name) => name !== undefined)),
    model: bounded(attribute(child(element, 'model'), 'type')),
    mac: bounded(attribute(child(element, 'mac'), 'address')),
    mtu: bounded(attribute(child(element, 'mtu'), 'size')),
    interfaceId: bounded(attribute(port, 'interfaceid')),
  };
}
