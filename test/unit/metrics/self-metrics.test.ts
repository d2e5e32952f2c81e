import { describe, expect, test } from '@jest/globals';
import { writeFamily } from '../../../src/metrics/exposition.ts';
import { createSelfMetrics, type SelfMetrics } from '../../../src/metrics/self-metrics.ts';
import { Exposition } from '../../../testbed/exposition.ts';
import { textOf } from './text.ts';

async function shown(families: SelfMetrics['families']): Promise<Exposition> {
  const made = await families();
  return new Exposition(
    textOf((out) => {
      for (const family of made) writeFamily(out, family);
    }),
  );
}

describe('what the exporter says of itself', () => {
  test('calls by procedure, and lost connections', async () => {
    const { families, countCall, countDisconnect } = createSelfMetrics();
    countCall('DOMAIN_GET_XML_DESC');
    countCall('DOMAIN_GET_XML_DESC');
    countCall('CONNECT_GET_VERSION');
    countDisconnect();
    const seen = await shown(families);
    const calls = seen.all('libvirt_exporter_rpc_calls_total');
    expect(calls.map(({ labels, value }) => [labels.procedure, value])).toEqual([
      ['DOMAIN_GET_XML_DESC', 2],
      ['CONNECT_GET_VERSION', 1],
    ]);
    expect(seen.value('libvirt_exporter_disconnects_total')).toBe(1);
  });

  test('connections that were never lost are 0, not absent', async () => {
    const seen = await shown(createSelfMetrics().families);
    expect(seen.value('libvirt_exporter_disconnects_total')).toBe(0);
  });

  test('what every Prometheus process serves', async () => {
    const seen = await shown(createSelfMetrics().families);
    for (const name of ['process_resident_memory_bytes', 'process_open_fds', 'process_start_time_seconds']) {
      expect(seen.value(name)).toBeGreaterThan(0);
    }
    expect(seen.value('process_cpu_seconds_total')).toBeGreaterThanOrEqual(0);
  });

  test('two exporters in one process do not share counts', async () => {
    const one = createSelfMetrics();
    const two = createSelfMetrics();
    one.countDisconnect();
    expect((await shown(two.families)).value('libvirt_exporter_disconnects_total')).toBe(0);
  });
});
