import { gauge, type MetricFamily } from '../metrics/metric-family.ts';

export interface BuildInfo {
  readonly version: string;
  /** Commit the program was built from; empty when that is not known. */
  readonly revision: string;
}

export function buildInfo({ version, revision }: BuildInfo): MetricFamily {
  const info = gauge(
    'libvirt_exporter_build_info',
    'Version of this exporter and of the Node.js it runs on; always 1.',
  );
  info.samples.push({ labels: { version, revision, nodejs: process.versions.node }, value: 1 });
  return info;
}
