import { describe, expect, test } from '@jest/globals';
import { removalQueries } from '../../grafana/src/facts.ts';
import { dashboardQueries, fillVariables } from '../support/dashboard-queries.ts';
import { promqlComplaints } from '../support/promtool.ts';

const OURS = 'job="libvirt",instance="host1:9177"';
const OTHER = 'job="node",instance="host1:9100"';

describe('beside another job, with all jobs chosen', () => {
  const build = `libvirt_exporter_build_info{${OURS},version="0.1.0"}`;

  function queryOf(dashboard: string, panel: string): string {
    const found = dashboardQueries().find((each) => each.dashboard === dashboard && each.panel === panel);
    return found?.query ?? '';
  }

  test.each([
    ['fleet', 'Not answering A'],
    ['exporter', 'Exporters not reached A'],
  ])('%s: %s counts none but exporters, also those that are away', async (dashboard, panel) => {
    const series = {
      [`up{${OURS}}`]: '1x9 0x100',
      [`up{${OTHER}}`]: '0x109',
      [build]: '1x9 stale',
      [`libvirt_up{${OURS}}`]: '1x9 stale',
    };
    const expr = queryOf(dashboard, panel);
    const answers = [5, 15, 100].map((minute) => ({
      expr,
      minute,
      samples: [{ labels: '{}', value: minute < 10 ? 0 : 1 }],
    }));
    expect(await promqlComplaints(series, answers)).toBe('');
  });

  test.each([
    ['Scrape duration A', 'scrape_duration_seconds'],
    ['Series A', 'scrape_samples_scraped'],
    ['Memory A', 'process_resident_memory_bytes'],
    ['Memory B', 'nodejs_heap_size_used_bytes'],
    ['Event loop lag A', 'nodejs_eventloop_lag_p99_seconds'],
    ['Open files A', 'process_open_fds'],
  ])('exporter: %s shows none but exporters', async (panel, metric) => {
    const series = { [`${metric}{${OURS}}`]: '1x9', [`${metric}{${OTHER}}`]: '1x9', [build]: '1x9' };
    const samples = [{ labels: `${metric}{${OURS}}`, value: 1 }];
    const answers = [{ expr: queryOf('exporter', panel), minute: 5, samples }];
    expect(await promqlComplaints(series, answers)).toBe('');
  });
});

test('domains lost at the next upgrades are those within nine releases, those that are lost already among them', async () => {
  const domains = [
    ['lost', 'pc-q35-2.4', '6.1', -3, 0],
    ['soon', 'pc-q35-2.5', '10.0', 9, 1],
    ['later', 'pc-q35-2.6', '10.1', 10, 1],
  ] as const;
  const of = (domain: string): string => `${OURS},domain="${domain}"`;
  const series = Object.fromEntries([
    [`libvirt_hypervisor_info{${OURS},version="7.2.22"}`, '1x5'],
    ...domains.flatMap(([domain, machine, removedIn, left, supported]) => [
      [
        `libvirt_domain_machine_type_info{${of(domain)},machine="${machine}",removed_in="${removedIn}"}`,
        '1x5',
      ],
      [`libvirt_domain_machine_type_releases_until_removed{${of(domain)}}`, `${left}x5`],
      [`libvirt_domain_machine_type_supported{${of(domain)}}`, `${supported}x5`],
    ]),
  ]);
  const row = (domain: string, machine: string, removedIn: string): string =>
    `{instance="host1:9177",domain="${domain}",machine="${machine}",removed_in="${removedIn}",qemu="7.2.22"}`;
  const answers = removalQueries().map(({ expr }, query) => ({
    expr: fillVariables(expr),
    minute: 5,
    samples: domains.slice(0, 2).map(([domain, machine, removedIn, left, supported]) => ({
      labels: row(domain, machine, removedIn),
      value: query === 0 ? left : supported,
    })),
  }));
  expect(await promqlComplaints(series, answers)).toBe('');
});
