import { describe, expect, test } from '@jest/globals';
import { osCollector } from '../../../src/collectors/os.ts';
import { writeFamily } from '../../../src/metrics/exposition.ts';
import { createEndOfLifeLookup, isKnownOsId } from '../../../src/osinfo/end-of-life.ts';
import { SHIPPED_OSINFO } from '../../../src/osinfo/table.generated.ts';
import { Exposition } from '../../../testbed/exposition.ts';
import { textOf } from '../metrics/text.ts';
import { FIXED_INVENTORY } from './fixed-inventory.ts';

const OSINFO = { host: undefined, shipped: SHIPPED_OSINFO };

/** What is served of a domain that declares `declared`, whose guest says it is `id` in the version `versionId`. */
function served(declared: string, id?: string, versionId?: string): Exposition {
  const [base] = FIXED_INVENTORY.domains;
  const sample = base?.guest?.sample;
  if (base?.current === undefined || base.guest === undefined || sample?.os === undefined)
    throw new Error('the fixed inventory begins with no guest that reports its OS');
  const os = id === undefined ? undefined : { ...sample.os, id, versionId };
  const domain = {
    ...base,
    current: { ...base.current, declaredOs: declared },
    guest: { ...base.guest, sample: { ...sample, os } },
  };
  const snapshot = {
    ...FIXED_INVENTORY,
    domains: [domain],
    endOfLife: createEndOfLifeLookup(OSINFO),
    isKnownOs: (osId: string) => isKnownOsId(osId, OSINFO),
  };
  return new Exposition(
    textOf((out) => {
      for (const family of osCollector.collect(snapshot)) writeFamily(out, family);
    }),
  );
}

test.each([
  'http://libosinfo.org/linux/2020',
  'http://rockylinux.org/rocky/8-unknown',
  'http://redhat.com/rhel/6-unknown',
])('%s names no release, and has no end of life, though osinfo-db dates it', (declared) => {
  expect(createEndOfLifeLookup(OSINFO)(declared)).toBeDefined();
  expect(served(declared).all('libvirt_domain_os_eol_timestamp_seconds')).toEqual([]);
});

test('a release has one, the running one before the declared one', () => {
  expect(served('http://ubuntu.com/ubuntu/18.04').labels('libvirt_domain_os_eol_timestamp_seconds')).toEqual({
    domain: 'thrashing',
    os: 'http://ubuntu.com/ubuntu/18.04',
  });
  const running = served('http://ubuntu.com/ubuntu/18.04', 'ubuntu', '20.04');
  expect(running.labels('libvirt_domain_os_eol_timestamp_seconds')?.os).toBe(
    'http://ubuntu.com/ubuntu/20.04',
  );
});

test('a declared release that is newer than osinfo-db is found running', () => {
  const declared = 'http://fedoraproject.org/fedora/99';
  const seen = served(declared, 'fedora', '99');
  expect(seen.labels('libvirt_domain_os_info')?.detected).toBe(declared);
  expect(seen.value('libvirt_domain_os_drift', { state: 'match' })).toBe(1);
});

describe('the end of life', () => {
  const EOL = 'libvirt_domain_os_eol_timestamp_seconds';
  const declared = 'http://ubuntu.com/ubuntu/18.04';

  test.each([
    ['amzn', '2023'],
    ['kali', '2026.4'],
    ['openEuler', '24.03'],
    ['linuxmint', '22'],
    ['something-new', undefined],
  ])('of the declared system is not served where %s runs, which no table has', (id, versionId) => {
    const seen = served(declared, id, versionId);
    expect(seen.all(EOL)).toEqual([]);
    expect(seen.value('libvirt_domain_os_drift', { state: 'unmappable' })).toBe(1);
  });

  test('of a release newer than osinfo-db is unknown, and the drift is not', () => {
    const seen = served('http://debian.org/debian/11', 'debian', '14');
    expect(seen.all(EOL)).toEqual([]);
    expect(seen.labels('libvirt_domain_os_info')?.detected).toBe('http://debian.org/debian/14');
    expect(seen.value('libvirt_domain_os_drift', { state: 'major_differs' })).toBe(1);
  });

  test.each(['', 'linux', 'ubuntu'])('is the declared one where the reply names no release: %j', (id) => {
    expect(served(declared, id).labels(EOL)?.os).toBe(declared);
  });

  test('is that of the declared one where the distribution is the same, and the release is not reported', () => {
    const seen = served('http://redhat.com/rhel/6.10', 'rhel');
    expect(seen.labels('libvirt_domain_os_info')?.detected).toBe('http://redhat.com/rhel/unknown');
    expect(seen.labels(EOL)?.os).toBe('http://redhat.com/rhel/6.10');
  });
});
