import {
  type DashboardLink,
  DashboardLinkBuilder,
  DashboardLinkType,
} from '@grafana/grafana-foundation-sdk/dashboard';

export const UID = {
  fleet: 'libvirt-drift-fleet',
  hypervisor: 'libvirt-drift-hypervisor',
  domain: 'libvirt-drift-domain',
  exporter: 'libvirt-drift-exporter',
} as const;

const TITLE: Record<keyof typeof UID, string> = {
  fleet: 'Fleet',
  hypervisor: 'Hypervisor',
  domain: 'Domain',
  exporter: 'Exporter',
};

/** To the other dashboards, with the time range and the variables that they share. */
export function linksFrom(here: keyof typeof UID): readonly DashboardLink[] {
  const others = (Object.keys(UID) as (keyof typeof UID)[]).filter((key) => key !== here);
  return others.map((key) =>
    new DashboardLinkBuilder(TITLE[key])
      .type(DashboardLinkType.Link)
      .icon('dashboard')
      .tooltip(`Open ${TITLE[key]}`)
      .url(`/d/${UID[key]}`)
      .includeVars(true)
      .keepTime(true)
      .build(),
  );
}

const SHARED = '${datasource:queryparam}&${job:queryparam}&${__url_time_range}';
const INSTANCE = 'var-instance=${__data.fields.instance:percentencode}';
const DOMAIN = 'var-domain=${__data.fields.domain:percentencode}';

/** From a table's row, which must have the fields `instance` and `domain`. */
export const DOMAIN_OF_ROW = {
  title: 'Why is it slow?',
  url: `/d/${UID.domain}?${INSTANCE}&${DOMAIN}&${SHARED}`,
};

export const HYPERVISOR_OF_ROW = {
  title: 'Open this hypervisor',
  url: `/d/${UID.hypervisor}?${INSTANCE}&${SHARED}`,
};
