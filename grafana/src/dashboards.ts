import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { domain } from './domain.ts';
import { exporter } from './exporter.ts';
import { fleet } from './fleet.ts';
import { hypervisor } from './hypervisor.ts';

const DASHBOARDS: Readonly<Record<string, () => Dashboard>> = { fleet, hypervisor, domain, exporter };

/** File name to content. */
export function renderDashboards(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(DASHBOARDS).map(([name, build]) => [
      `${name}.json`,
      `${JSON.stringify(build(), null, 2)}\n`,
    ]),
  );
}
