import type { Collector } from '../metrics/collector.ts';
import { addSample, info, newFamily, sanitizeLabel } from '../metrics/metric-family.ts';

const INFO = info(
  'libvirt_domain_openstack_info',
  "Instance, flavor, user, project and root disk of the domain, by OpenStack Nova's metadata; always 1.",
  [
    'domain',
    'instance_name',
    'instance_id',
    'flavor_name',
    'user_name',
    'user_id',
    'project_name',
    'project_id',
    'root_type',
    'root_uuid',
  ],
  { needs: "Nova's metadata 1.0 or 1.1 in the domain" },
);

export const openstackCollector: Collector = {
  name: 'openstack',
  help: 'instance, flavor, user, project and root of domains made by OpenStack Nova',
  enabledByDefault: true,
  families: [INFO],
  collect: ({ domains }) => {
    const instances = newFamily(INFO);
    for (const { name: domain, uuid, current } of domains) {
      const nova = current?.nova;
      if (nova === undefined) continue;
      const labels = {
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
      };
      addSample(instances, labels, 1);
    }
    return [instances];
  },
};
