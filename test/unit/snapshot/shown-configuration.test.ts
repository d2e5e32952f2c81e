import { expect, test } from '@jest/globals';
import { parseDomainXml } from '../../../src/inventory/domain-xml.ts';
import { ShownConfiguration } from '../../../src/snapshot/shown-configuration.ts';

const RUN = { uuid: 'u', id: 1 };
const config = (source = '/a', more = '<backingStore/>', type = 'file') =>
  parseDomainXml(
    `<domain><vcpu>2</vcpu><devices><disk type='${type}'><source file='${source}'/>${more}<target dev='vda'/></disk></devices></domain>`,
  );
const shown = (vcpus: number | undefined, ...paths: readonly (string | undefined)[]) => ({
  vcpus,
  images: new Map([['vda', paths.map((path, index) => ({ path, index: index + 1 }))]]),
});

test('what agrees is not read again', () => {
  const compared = new ShownConfiguration();
  expect(compared.isOutdated(RUN, config(), shown(2, '/a'))).toBe(false);
  expect(compared.isOutdated(RUN, config(), shown(2, '/a'))).toBe(false);
});

test.each([
  ['a vCPU plugged in', shown(3, '/a')],
  ['the overlay of a snapshot', shown(2, '/overlay', '/a')],
  ['the target of a copy', shown(2, '/a', '/copy')],
])('%s is read once', (_what, now) => {
  for (const isKnown of [true, false]) {
    const compared = new ShownConfiguration();
    if (isKnown) compared.isOutdated(RUN, config(), shown(2, '/a'));
    expect(compared.isOutdated(RUN, config(), now)).toBe(true);
    expect(compared.isOutdated(RUN, config(), now)).toBe(false);
  }
});

test('a change back is read, too', () => {
  const compared = new ShownConfiguration();
  compared.isOutdated(RUN, config(), shown(2, '/a', '/copy'));
  expect(compared.isOutdated(RUN, config('/copy'), shown(2, '/copy'))).toBe(true);
});

test.each([
  ['a volume, which has another path', config('/a', '', 'volume'), shown(2, '/pool/a')],
  ['an empty drive', config('/a', ''), shown(2, undefined)],
  ['an unknown number of vCPUs', config(), shown(undefined, '/a')],
])('%s is no difference', (_what, known, now) => {
  expect(new ShownConfiguration().isOutdated(RUN, known, now)).toBe(false);
});

test('runs that are over are forgotten', () => {
  const compared = new ShownConfiguration();
  compared.isOutdated(RUN, config('/b'), shown(2, '/a'));
  compared.keepOnly(new Set());
  expect(compared.isOutdated(RUN, config('/b'), shown(2, '/a'))).toBe(true);
});
