import type { NovaInstance, NovaName } from './domain-config.ts';
import { attribute, child, type XmlElement } from './xml.ts';

/** Nova writes 1.1 since Xena, and wrote 1.0 before. Domains keep the version of their creation. */
const NAMESPACES = [
  'http://openstack.org/xmlns/libvirt/nova/1.1',
  'http://openstack.org/xmlns/libvirt/nova/1.0',
];

/** Parses Nova's part of `<metadata>`; undefined when there is none. */
export function parseNova(
  metadata: XmlElement | undefined,
  bounded: (text: string | undefined) => string | undefined,
): NovaInstance | undefined {
  for (const namespace of NAMESPACES) {
    const instance = child(metadata, 'instance', namespace);
    if (instance === undefined) continue;
    const owner = child(instance, 'owner', namespace);
    const named = (name: string): NovaName => {
      const element = child(owner, name, namespace);
      return { id: bounded(attribute(element, 'uuid')), name: bounded(element?.text) };
    };
    const root = child(instance, 'root', namespace);
    return {
      name: bounded(child(instance, 'name', namespace)?.text),
      flavor: bounded(attribute(child(instance, 'flavor', namespace), 'name')),
      user: named('user'),
      project: named('project'),
      root: { type: bounded(attribute(root, 'type')), id: bounded(attribute(root, 'uuid')) },
    };
  }
  return undefined;
}
