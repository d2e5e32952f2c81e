import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { OSINFO_BASES, OSINFO_ROLLING } from '../../../src/drift/os-bases.ts';
import { detectOs, mayBeDeclared } from '../../../src/drift/os-detection.ts';
import { evaluateOsDrift, type OsDriftState } from '../../../src/drift/os-drift.ts';
import type { GuestOs } from '../../../src/guest/guest-sample.ts';
import { isKnownOsId } from '../../../src/osinfo/end-of-life.ts';
import { SHIPPED_OSINFO } from '../../../src/osinfo/table.generated.ts';

/** One line of test/fixtures/os-release: fields of a guest's answer, and the id without `http://`. */
interface Sample extends Partial<GuestOs> {
  readonly expect: string | null;
}

const NOTHING: GuestOs = {
  id: undefined,
  name: undefined,
  prettyName: undefined,
  version: undefined,
  versionId: undefined,
  variant: undefined,
  variantId: undefined,
  kernelRelease: undefined,
  kernelVersion: undefined,
  machine: undefined,
};

const isKnown = (id: string): boolean => isKnownOsId(id, { host: undefined, shipped: SHIPPED_OSINFO });

function samples(file: string): readonly Sample[] {
  return JSON.parse(readFileSync(`test/fixtures/os-release/${file}`, 'utf8')) as Sample[];
}

function detect(os: Partial<GuestOs>, declared?: string): string | null {
  return detectOs({ ...NOTHING, ...os }, isKnown, declared)?.replace('http://', '') ?? null;
}

describe('os-release of real systems', () => {
  const all = samples('samples.json');

  test.each(all.map((sample) => [`${sample.id} ${sample.prettyName} ${sample.versionId}`, sample] as const))(
    '%s',
    (_, sample) => {
      expect(detect(sample)).toBe(sample.expect);
    },
  );

  test('are many', () => {
    expect(all.length).toBeGreaterThan(100);
  });

  test('ids are read whatever their case, and between spaces', () => {
    expect(detect({ id: ' Ubuntu ', versionId: '22.04' })).toBe('ubuntu.com/ubuntu/22.04');
  });
});

describe('the agent for Windows', () => {
  const windows = { id: 'mswindows', name: 'Microsoft Windows' };

  test.each(
    samples('windows.json').map((s) => [`${s.prettyName} ${s.kernelRelease} "${s.versionId}"`, s] as const),
  )('%s', (_, sample) => {
    expect(detect({ ...windows, ...sample })).toBe(sample.expect);
  });

  test.each([
    [
      'a preview of Server 2016',
      { variantId: 'server', kernelVersion: '10.0', kernelRelease: '10586' },
      null,
    ],
    ['it with a version-id', { variantId: 'server', kernelRelease: '10586', versionId: '2016' }, '2k16'],
    ['a build alone', { kernelRelease: '19045' }, '10'],
    ['a variant alone', { variant: 'server', kernelRelease: '20348' }, '2k22'],
    ['a product name alone', { prettyName: 'Windows Server 2019', kernelRelease: '17763' }, '2k19'],
    ['a version-id alone', { variantId: 'server', versionId: '2008R2' }, '2k8r2'],
    ['an unheard-of NT', { kernelVersion: '4.0', kernelRelease: '1381', versionId: 'N/A' }, null],
    ['no number', { kernelVersion: 'ten', kernelRelease: '9e99' }, null],
    ['nothing', {}, null],
  ])('%s', (_, os, version) => {
    expect(detect({ ...windows, ...os })).toBe(version === null ? null : `microsoft.com/win/${version}`);
  });
});

describe('releases that the database does not have', () => {
  test.each([
    ['rhel', '9.99', 'redhat.com/rhel/9-unknown'],
    ['rhel', '12.0', 'redhat.com/rhel/12.0'],
    ['rhel', undefined, 'redhat.com/rhel/unknown'],
    ['rocky', '8.7', 'rockylinux.org/rocky/8'],
    ['rocky', '8.5', 'rockylinux.org/rocky/8.5'],
    ['sles', '16.7', 'suse.com/sles/16-unknown'],
    ['sles', '15.9', 'suse.com/sle/15'],
    ['sles', undefined, null],
    ['sled', '12.5', 'suse.com/sled/12.5'],
    ['fedora', '99', 'fedoraproject.org/fedora/99'],
    ['fedora', undefined, 'fedoraproject.org/fedora/unknown'],
    ['ubuntu', '99.04', 'ubuntu.com/ubuntu/99.04'],
    ['ubuntu', undefined, null],
    ['debian', '99', 'debian.org/debian/99'],
    // Not 13.0, whose end of life is another.
    ['freebsd', '13.9', 'freebsd.org/freebsd/13.9'],
    ['alpine', '3.99.1', 'alpinelinux.org/alpinelinux/3.99.1'],
    ['centos', '99', 'centos.org/centos-stream/99'],
    ['sl-micro', '9.9', 'suse.com/slem/9.9'],
    // Numbers that name no release.
    ['ubuntu', '20260401', null],
    ['debian', '12345', null],
    ['ubuntu', 'latest', null],
    ['ubuntu', '1.2.3.4.5', null],
    // Without any sign of testing, a Debian that names no version may be any.
    ['debian', undefined, null],
    ['opensuse', '20160917', 'opensuse.org/opensuse/unknown'],
    ['eln', '11', 'fedoraproject.org/fedora/eln'],
  ])('%s %s', (id, versionId, expected) => {
    expect(detect({ id, versionId })).toBe(expected);
  });

  test.each([
    ['coreos', '42.20250410.1.0 (CoreOS)', 'fedoraproject.org/coreos/next'],
    ['coreos', '42.20250410.2.0 (CoreOS)', 'fedoraproject.org/coreos/testing'],
    ['eln', '42', 'fedoraproject.org/fedora/eln'],
    ['silverblue', '45 (Rawhide Prerelease)', 'fedoraproject.org/silverblue/rawhide'],
    ['server', '42 (Server Edition)', 'fedoraproject.org/fedora/42'],
  ])('fedora %s %s', (variantId, version, expected) => {
    expect(detect({ id: 'fedora', versionId: '42', variantId, version })).toBe(expected);
  });

  test.each<[string, string | undefined, string, string | null, OsDriftState]>([
    ['fedora', '99', 'fedoraproject.org/fedora/99', 'fedoraproject.org/fedora/99', 'match'],
    ['fedora', '100', 'fedoraproject.org/fedora/99', 'fedoraproject.org/fedora/100', 'major_differs'],
    ['fedora', undefined, 'fedoraproject.org/fedora/99', 'fedoraproject.org/fedora/unknown', 'unmappable'],
    ['fedora', '42', 'fedoraproject.org/fedora/99', 'fedoraproject.org/fedora/42', 'major_differs'],
    ['ubuntu', '99.04', 'ubuntu.com/ubuntu/99.04', 'ubuntu.com/ubuntu/99.04', 'match'],
    ['ubuntu', '99.10', 'ubuntu.com/ubuntu/99.04', 'ubuntu.com/ubuntu/99.10', 'major_differs'],
    ['ubuntu', '27.04', 'ubuntu.com/ubuntu/20.04', 'ubuntu.com/ubuntu/27.04', 'major_differs'],
    ['debian', '14', 'debian.org/debian/11', 'debian.org/debian/14', 'major_differs'],
    ['fedora', '45', 'fedoraproject.org/fedora/41', 'fedoraproject.org/fedora/45', 'major_differs'],
    ['rhel', '11.0', 'redhat.com/rhel/9.4', 'redhat.com/rhel/11.0', 'major_differs'],
    ['rhel', '9.99', 'redhat.com/rhel/9.4', 'redhat.com/rhel/9-unknown', 'minor_differs'],
    ['freebsd', '13.9', 'freebsd.org/freebsd/13.2', 'freebsd.org/freebsd/13.9', 'minor_differs'],
    ['cirros', '0.6.3', 'cirros-cloud.net/cirros/0.5.2', 'cirros-cloud.net/cirros/0.6.3', 'major_differs'],
    ['cirros', '0.5.9', 'cirros-cloud.net/cirros/0.5.2', 'cirros-cloud.net/cirros/0.5.9', 'minor_differs'],
    [
      'dragonfly',
      '6.4',
      'dragonflybsd.org/dragonflybsd/6.4.0',
      'dragonflybsd.org/dragonflybsd/6.4.0',
      'match',
    ],
    ['pop', '24.04', 'system76.com/popos/20.04', 'system76.com/popos/24.04', 'major_differs'],
    ['debian', '99', 'debian.org/debian/99', 'debian.org/debian/99', 'match'],
    ['rhel', '9.99', 'redhat.com/rhel/9.99', 'redhat.com/rhel/9.99', 'match'],
    ['rhel', '9.98', 'redhat.com/rhel/9.99', 'redhat.com/rhel/9-unknown', 'minor_differs'],
    ['rhel', '12.1', 'redhat.com/rhel/12.0', 'redhat.com/rhel/12.1', 'minor_differs'],
    ['rhel', '13.1', 'redhat.com/rhel/12.0', 'redhat.com/rhel/13.1', 'major_differs'],
    ['rocky', '9.99', 'redhat.com/rhel/9.99', 'rockylinux.org/rocky/9', 'distro_differs'],
  ])('%s %s, declared as %s', (id, versionId, declared, expected, state) => {
    const detected = detect({ id, versionId }, `http://${declared}`);
    expect(detected).toBe(expected);
    const drift = evaluateOsDrift({
      declared: `http://${declared}`,
      detected: detected === null ? { kind: 'unmappable' } : { kind: 'id', id: `http://${detected}` },
    });
    expect(drift).toBe(state);
  });

  test('openSUSE Tumbleweed before it had an ID of its own', () => {
    expect(detect({ id: 'opensuse', name: 'openSUSE Tumbleweed', versionId: '20160917' })).toBe(
      'opensuse.org/opensuse/tumbleweed',
    );
  });

  test('a system without os-release, such as CentOS 6, sends its kernel only', () => {
    expect(detect({ kernelRelease: '2.6.32-754.el6.x86_64', machine: 'x86_64' })).toBeNull();
  });

  test('Server for SAP is SUSE Linux Enterprise Server', () => {
    expect(detect({ id: 'sles_sap', versionId: '15.6' })).toBe('suse.com/sle/15.6');
  });
});

test('every base has entries in the database', () => {
  const ids = [...SHIPPED_OSINFO.eolById.keys()];
  const lost = [...OSINFO_BASES.values()].filter((b) => !ids.some((id) => id.startsWith(`http://${b}/`)));
  expect(lost).toEqual([]);
  expect([...OSINFO_ROLLING.values()].filter((path) => !isKnown(`http://${path}`))).toEqual([]);
});

describe('a release newer than the database, of each distribution in the tables', () => {
  const specials = [
    ['almalinux', 'almalinux.org/almalinux'],
    ['centos', 'centos.org/centos-stream'],
    ['fedora', 'fedoraproject.org/fedora'],
    ['sled', 'suse.com/sled'],
    ['sles', 'suse.com/sles'],
  ] as const;
  const newest = (base: string): string => {
    const versions = [...SHIPPED_OSINFO.eolById.keys()].flatMap((id) =>
      id.startsWith(`http://${base}/`) && /\/\d+(?:\.\d+)*$/.test(id)
        ? id.slice(`http://${base}/`.length)
        : [],
    );
    return versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1) ?? '';
  };

  test.each([...OSINFO_BASES, ...specials].filter(([id]) => id !== 'rhel-atomic'))('%s', (id, base) => {
    const declared = newest(base);
    const parts = declared.split('.').map(Number);
    const [first = 0, second] = parts;
    const next = second === undefined ? String(first + 20) : `${first + 20}.${second}`;
    const detected = detect({ id, versionId: next }, `http://${base}/${declared}`);
    expect(detected).toBe(`${base}/${next}`);
    const state = (running: string) =>
      evaluateOsDrift({
        declared: `http://${base}/${declared}`,
        detected: { kind: 'id', id: `http://${running}` },
      });
    expect(state(detected ?? '')).toBe('major_differs');
    expect(state(`${base}/${declared}`)).toBe('match');
  });

  test.each([
    ['server', '2028', '30000', 'microsoft.com/win/2k28'],
    ['client', '12', '30000', 'microsoft.com/win/12'],
    ['server', '2025', '30000', 'microsoft.com/win/2k25'],
    ['client', '99999', '30000', 'microsoft.com/win/11'],
  ])('Windows %s %s', (variantId, versionId, kernelRelease, expected) => {
    const windows = { id: 'mswindows', kernelVersion: '10.0', kernelRelease, variantId, versionId };
    expect(detect(windows)).toBe(expected);
  });
});

describe('a reply that lacks a field', () => {
  const stream = { id: 'centos', name: 'CentOS Stream', prettyName: 'CentOS Stream 8', versionId: '8' };

  test.each<[string, Partial<GuestOs>, string | null]>([
    ['name', { ...stream, name: undefined }, 'centos.org/centos-stream/8'],
    ['pretty-name', { ...stream, prettyName: undefined }, 'centos.org/centos-stream/8'],
    [
      'both names, where the release decides',
      { id: 'centos', versionId: '10' },
      'centos.org/centos-stream/10',
    ],
    [
      'name, of a preview',
      { id: 'almalinux', prettyName: 'AlmaLinux Kitten 10', versionId: '10' },
      'almalinux.org/almalinux-kitten/10',
    ],
    ['variant-id', { id: 'fedora', versionId: '44' }, 'fedoraproject.org/fedora/44'],
    ['a version that is true', { id: 'ubuntu', versionId: '9'.repeat(200) }, null],
  ])('%s', (_, os, expected) => {
    expect(detect(os)).toBe(expected);
  });

  test.each<[Partial<GuestOs>, string, boolean]>([
    [{ id: 'amzn', versionId: '2023' }, 'debian.org/debian/11', false],
    [{ id: 'amzn' }, 'debian.org/debian/11', false],
    [{ kernelRelease: '2.6.32-754.el6.x86_64' }, 'centos.org/centos/6.9', true],
    [{ id: '', name: 'x' }, 'centos.org/centos/6.9', true],
    [{ id: 'linux' }, 'centos.org/centos/6.9', true],
    [{ id: 'x'.repeat(200) }, 'centos.org/centos/6.9', true],
    [{ id: 'debian' }, 'debian.org/debian/11', true],
    [{ id: 'debian', versionId: '14' }, 'debian.org/debian/11', false],
    [{ id: 'debian' }, 'ubuntu.com/ubuntu/20.04', false],
    [{ id: 'rhel' }, 'redhat.com/rhel/7.9', true],
    [{ id: 'mswindows' }, 'microsoft.com/win/2k12', true],
    [{ id: 'mswindows', kernelRelease: '20348', variantId: 'server' }, 'microsoft.com/win/2k12', false],
    [{ id: 'mswindows' }, 'debian.org/debian/11', false],
  ])('%j may be %s: %p', (os, declared, expected) => {
    expect(mayBeDeclared({ ...NOTHING, ...os }, `http://${declared}`)).toBe(expected);
  });
});

describe('a hostile guest', () => {
  const ids = [...OSINFO_BASES.keys(), ...OSINFO_ROLLING.keys()].concat(
    ['mswindows', 'centos', 'almalinux', 'fedora', 'eln', 'sles', 'sled', 'sles_sap', 'sle_hpc'],
    ['__proto__', 'constructor', 'toString', 'x'.repeat(129)],
  );
  const versionish = fc
    .array(
      fc.oneof(fc.nat({ max: 99_999 }).map(String), fc.constantFrom('.', '..', '-', '_', '/', 'unknown')),
    )
    .map((parts) => parts.join('.'));
  const text = fc.option(fc.oneof(fc.string({ maxLength: 300 }), versionish, fc.constantFrom(...ids)), {
    nil: undefined,
  });
  const guestOs = fc.record<GuestOs>({
    id: fc.oneof(fc.constantFrom(...ids), text),
    name: text,
    prettyName: text,
    version: text,
    versionId: fc.oneof(versionish, text),
    variant: text,
    variantId: fc.oneof(fc.constantFrom('coreos', 'silverblue', 'eln', 'server', 'atomic.host'), text),
    kernelRelease: text,
    kernelVersion: text,
    machine: text,
  });

  /** An id that osinfo-db would give: a distribution of the tables, with the number of a release. */
  const likeOsinfo =
    /^http:\/\/(?:[a-z0-9.-]+\/[a-z-]+\/p?\d{1,4}(?:\.\d{1,4}){0,3}(?:\.starterkits)?|microsoft\.com\/win\/[0-9a-z.]{1,6})$/;

  test('gets an id that is known or could be, or none', () => {
    const bases = new Set([...SHIPPED_OSINFO.eolById.keys()].map((id) => id.slice(0, id.lastIndexOf('/'))));
    fc.assert(
      fc.property(guestOs, (os) => {
        const id = detectOs(os, isKnown);
        if (id === undefined || isKnown(id)) return;
        expect(id).toMatch(likeOsinfo);
        expect(bases).toContain(id.slice(0, id.lastIndexOf('/')));
      }),
      { numRuns: 3000 },
    );
  });

  test('gets the same ids however few are known, with few lookups', () => {
    fc.assert(
      fc.property(guestOs, (os) => {
        let lookups = 0;
        const none = detectOs(os, (id) => {
          lookups += 1;
          expect(id.length).toBeLessThan(128);
          return false;
        });
        if (none !== undefined) expect(none).toMatch(likeOsinfo);
        expect(lookups).toBeLessThan(48);
      }),
    );
  });

  test('cannot spend our time', () => {
    const long = '1.'.repeat(2_000_000);
    const started = performance.now();
    for (const id of ['rhel', 'fedora', 'mswindows', long]) {
      expect(
        detectOs(
          { ...NOTHING, id, versionId: long, version: long, prettyName: long, kernelVersion: long },
          isKnown,
        ) ?? 'none',
      ).toMatch(/unknown$|^none$/);
    }
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
