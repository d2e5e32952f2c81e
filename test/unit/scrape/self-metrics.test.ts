import { describe, expect, test } from '@jest/globals';
import { createSelfMetrics } from '../../../src/scrape/self-metrics.ts';
import { Exposition } from '../../support/exposition.ts';

describe('what the exporter says of itself', () => {
  test('calls by procedure, and lost connections', async () => {
    const { registry, countCall, countDisconnect } = createSelfMetrics();
    countCall('DOMAIN_GET_XML_DESC');
    countCall('DOMAIN_GET_XML_DESC');
    countCall('CONNECT_GET_VERSION');
    countDisconnect();
    const seen = new Exposition(await registry.metrics());
    const calls = seen.all('libvirt_exporter_rpc_calls_total');
    expect(calls.map(({ labels, value }) => [labels.procedure, value])).toEqual([
      ['DOMAIN_GET_XML_DESC', 2],
      ['CONNECT_GET_VERSION', 1],
    ]);
    expect(seen.value('libvirt_exporter_disconnects_total')).toBe(1);
  });

  test('connections that were never lost are 0, not absent', async () => {
    const seen = new Exposition(await createSelfMetrics().registry.metrics());
    expect(seen.value('libvirt_exporter_disconnects_total')).toBe(0);
  });

  test('what every Prometheus process tells', async () => {
    const seen = new Exposition(await createSelfMetrics().registry.metrics());
    for (const name of ['process_resident_memory_bytes', 'process_open_fds', 'process_start_time_seconds']) {
      expect(seen.value(name)).toBeGreaterThan(0);
    }
    expect(seen.value('process_cpu_seconds_total')).toBeGreaterThanOrEqual(0);
  });

  test('two exporters in one process do not share counts', async () => {
    const one = createSelfMetrics();
    const two = createSelfMetrics();
    one.countDisconnect();
    expect(new Exposition(await two.registry.metrics()).value('libvirt_exporter_disconnects_total')).toBe(0);
  });
});
