import type { Collector } from '../metrics/collector.ts';
import { gauge, labelText } from '../metrics/metric-family.ts';

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
          instance_name: labelText(nova.name),
          instance_id: uuid,
          flavor_name: labelText(nova.flavor),
          user_name: labelText(nova.user.name),
          user_id: labelText(nova.user.id),
          project_name: labelText(nova.project.name),
          project_id: labelText(nova.project.id),
          root_type: labelText(nova.root.type),
          root_uuid: labelText(nova.root.id),
        },
        value: 1,
      });
    }
    return [info];
  },
};
