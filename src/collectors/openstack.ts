import type { Collector } from '../metrics/collector.ts';
import { gauge, sanitizeLabel } from '../metrics/metric-family.ts';

export const openstackCollector: Collector = {
  name: 'openstack',
  help: 'instance, flavor, user, project and root of domains made by OpenStack Nova',
  enabledByDefault: true,
  collect: ({ domains }) => {
    const info = gauge('libvirt_domain_openstack_info', "The instance by Nova's metadata; always 1.");
    for (const { name: domain, uuid, current } of domains) {
      const nova = current?.nova;
      if (nova === undefined) continue;
      info.samples.push({
        labels: {
          domain,
          instance_name: sanitizeLabel(nova.name),
          instance_id: uuid,
          flavor_name: sanitizeLabel(nova.flavor),
          user_name: sanitizeLabel(nova.user.name),
          user_id: sanitizeLabel(nova.user.id),
          project_name: sanitizeLabel(nova.project.name),
          project_id: sanitizeLabel(nova.project.id),
          root_type: sanitizeLabel(nova.root.type),
          root_uuid: sanitizeLabel(nova.root.id),
        },
        value: 1,
      });
    }
    return [info];
  },
};
