import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { parseCommandLine } from '../../../src/config/config.ts';

async function readYaml(path: string): Promise<unknown> {
  return parse(await readFile(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8'));
}

test('the data source knows how often guests say something new, which $__rate_interval follows', async () => {
  const interval = '30s';
  expect(parseCommandLine([], [])).toMatchObject({ config: { guest: { intervalMs: 30_000 } } });
  // Scrapes are no further apart.
  expect(await readYaml('deploy/prometheus/prometheus.yml')).toMatchObject({
    global: { scrape_interval: '15s' },
  });
  expect(await readYaml('grafana/provisioning/datasources/prometheus.yaml')).toMatchObject({
    apiVersion: 1,
    datasources: [{ type: 'prometheus', isDefault: true, jsonData: { timeInterval: interval } }],
  });
});

test('dashboards are read from a folder and cannot be saved over', async () => {
  expect(await readYaml('grafana/provisioning/dashboards/libvirt.yaml')).toMatchObject({
    apiVersion: 1,
    providers: [{ type: 'file', allowUiUpdates: false, options: { path: '/var/lib/grafana/dashboards' } }],
  });
});
