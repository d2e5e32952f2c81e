import { addSample, info, type MetricFamily, newFamily } from '../metrics/metric-family.ts';

export interface BuildInfo {
  readonly version: string;
  /** Commit that the program was built from; empty when unknown. */
  readonly revision: string;
}

export const BUILD_INFO = info(
  'libvirt_exporter_build_info',
  'Version of the exporter, the commit it was built from, and the version of Node.js that it runs on; always 1.',
  ['version', 'revision', 'nodejs'],
);

export function buildInfo({ version, revision }: BuildInfo): MetricFamily {
  const family = newFamily(BUILD_INFO);
  addSample(family, { version, revision, nodejs: process.versions.node }, 1);
  return family;
}
