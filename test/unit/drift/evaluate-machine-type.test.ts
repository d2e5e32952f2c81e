import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  evaluateMachineType,
  isSupported,
  type MachineTypeResult,
} from '../../../src/drift/evaluate-machine-type.ts';
import { parseQemuVersion } from '../../../src/drift/qemu-release.ts';
import { countSupported, indexSupportedMachines } from '../../../src/drift/supported-machines.ts';

function row(text: string) {
  const [name = '', canonical] = text.replace('!', '').split('=');
  return { name, canonical, deprecated: text.endsWith('!') };
}

function machines(...rows: string[]) {
  return indexSupportedMachines(rows.map(row));
}

const BOOKWORM = machines(
  ...[
    'pc-q35-7.2',
    'q35=pc-q35-7.2',
    'pc-q35-7.1',
    'pc-q35-4.0.1',
    'pc-q35-4.0',
    'pc-q35-3.1',
    'pc-q35-2.10',
  ],
  ...['pc-i440fx-7.2', 'pc=pc-i440fx-7.2', 'pc-i440fx-1.7!', 'microvm', 'none'],
);
const UBUNTU = machines(
  ...['pc-q35-8.2', 'q35=pc-q35-8.2', 'pc-q35-6.2', 'pc-q35-noble', 'pc-q35-noble-v2', 'pc-q35-jammy-hpb'],
  ...['pc-q35-jammy', 'ubuntu-q35=pc-q35-noble-v2', 'pc-q35-mantic-maxcpus'],
);
const RHEL = machines(
  ...[
    'pc-q35-rhel9.8.0',
    'q35=pc-q35-rhel9.8.0',
    'pc-q35-rhel9.6.0',
    'pc-q35-rhel9.4.0',
    'pc-q35-rhel8.6.0!',
  ],
  ...['pc-i440fx-rhel7.6.0!', 'pc=pc-i440fx-rhel7.6.0!'],
);

function evaluate(
  machine: string,
  supported: ReturnType<typeof machines> | undefined,
  version?: string,
  hasMarks = true,
): MachineTypeResult {
  const installed = version === undefined ? undefined : parseQemuVersion(version);
  return evaluateMachineType({ machine, arch: 'x86_64', supported, installed, hasMarks });
}

describe('evaluateMachineType', () => {
  test('the whole result for an old type', () => {
    expect(evaluate('pc-q35-3.1', BOOKWORM, '7.2.22')).toEqual({
      machine: 'pc-q35-3.1',
      family: 'pc-q35',
      version: '3.1',
      vendor: 'upstream',
      latest: 'pc-q35-7.2',
      removedIn: '10.1',
      removedInDistribution: '',
      successor: '',
      releasesUntilRemoved: 8,
      releasesBehind: 12,
      deprecated: false,
    });
  });

  test.each([
    ['pc-q35-7.2', 'pc-q35-7.2', 0, true],
    ['q35', 'pc-q35-7.2', 0, true],
    ['pc-q35-7.1', 'pc-q35-7.2', 1, true],
    ['pc-q35-4.0.1', 'pc-q35-7.2', 11, true],
    ['pc-q35-9.2', 'pc-q35-7.2', 0, false],
    ['pc-1.2', 'pc-i440fx-7.2', 32, false],
    ['pc-q35-noble', 'pc-q35-7.2', 0, false],
    ['pc-q35-jammy', 'pc-q35-7.2', 3, false],
    ['pc-q35-7.0+pve1', 'pc-q35-7.2', 2, false],
    ['pc-q35-zzznew', 'pc-q35-7.2', undefined, false],
    ['pc-q35-rhel9.4.0', '', undefined, false],
    ['virt-7.2', '', undefined, false],
    ['microvm', '', undefined, true],
    ['sbsa-ref', '', undefined, false],
  ])('Debian: %s', (machine, latest, releasesBehind, supported) => {
    expect(evaluate(machine, BOOKWORM, '7.2.22')).toMatchObject({ latest, releasesBehind });
    expect(isSupported(machine, BOOKWORM)).toBe(supported);
  });

  test.each([
    ['pc-q35-6.2', 'pc-q35-8.2', 6],
    ['pc-q35-jammy', 'pc-q35-noble-v2', 6],
    ['pc-q35-jammy-hpb', 'pc-q35-noble-v2', 6],
    ['pc-q35-noble', 'pc-q35-noble-v2', 0],
    ['ubuntu-q35', 'pc-q35-noble-v2', 0],
    ['pc-q35-8.0+pve0', 'pc-q35-noble-v2', 2],
  ])('Ubuntu: %s against %s', (machine, latest, releasesBehind) => {
    expect(evaluate(machine, UBUNTU, '8.2.2')).toMatchObject({ latest, releasesBehind });
  });

  test.each([
    ['pc-q35-rhel8.6.0', 'pc-q35-rhel9.8.0', 3, true],
    ['pc-q35-rhel9.2.0', 'pc-q35-rhel9.8.0', 3, false],
    ['pc-q35-rhel9.8.0', 'pc-q35-rhel9.8.0', 0, false],
    ['pc-q35-rhel10.2.0', 'pc-q35-rhel9.8.0', 0, false],
    ['pc', 'pc-i440fx-rhel7.6.0', 0, true],
    ['pc-q35-7.2', '', undefined, false],
  ])('RHEL: %s', (machine, latest, releasesBehind, deprecated) => {
    expect(evaluate(machine, RHEL, '9.1.0')).toMatchObject({ latest, releasesBehind, deprecated });
  });

  test('a codename newer than the table stands for the newest upstream release beside it', () => {
    const host = machines(
      'pc-q35-12.0',
      'pc-q35-11.0',
      'pc-q35-stonking',
      'pc-q35-ulterior',
      'pc-q35-tenacious',
    );
    expect(evaluate('pc-q35-stonking', host)).toMatchObject({ latest: 'pc-q35-ulterior', releasesBehind: 3 });
    expect(evaluate('pc-q35-ulterior', host)).toMatchObject({
      version: '',
      vendor: 'ubuntu',
      releasesBehind: 0,
    });
    const aliased = machines('pc-q35-12.0', 'pc-q35-ulterior', 'ubuntu-q35=pc-q35-ulterior');
    expect(evaluate('pc-q35-ulterior', aliased).vendor).toBe('ubuntu');
    expect(evaluate('pc-q35-ulterior', machines('pc-q35-12.0', 'pc-q35-ulterior')).vendor).toBe('ulterior');
    expect(isSupported('pc-q35-ulterior', host)).toBe(true);
    expect(evaluate('pc-q35-tenacious', host).releasesBehind).toBeUndefined();
  });

  test('between equal versions the plain name and the alias target come first', () => {
    expect(evaluate('pseries-2.11', machines('pseries-2.12-sxxm', 'pseries-2.12')).latest).toBe(
      'pseries-2.12',
    );
    const aliased = machines('pc-q35-noble', 'pc-q35-noble-v2', 'ubuntu-q35=pc-q35-noble');
    expect(evaluate('pc-q35-jammy', aliased).latest).toBe('pc-q35-noble');
    expect(evaluate('pc-q35-4.0', machines('pc-q35-4.0.1', 'pc-q35-4.0')).latest).toBe('pc-q35-4.0.1');
    expect(evaluate('pc-q35-jammy', machines('pc-q35-jammy-hpb', 'pc-q35-jammy')).latest).toBe(
      'pc-q35-jammy',
    );
  });

  test.each([
    ['unknown', undefined],
    ['empty', machines()],
  ])('with a list that is %s', (_, supported) => {
    const result = evaluate('pc-q35-3.1', supported, '10.1.0');
    expect(result).toMatchObject({ latest: '', removedIn: '10.1', deprecated: true });
    expect(result.releasesBehind).toBeUndefined();
    expect(isSupported('pc-q35-3.1', supported)).toBeUndefined();
  });

  test.each([
    ['marked by the emulator', 'pc-i440fx-1.7', BOOKWORM, undefined, true],
    ['not marked, version unknown', 'pc-q35-3.1', BOOKWORM, undefined, false],
    ['not marked, but by policy', 'pc-q35-3.1', BOOKWORM, '9.1.0', true],
    ['not supported, by policy', 'pc-q35-2.4', BOOKWORM, '10.1.0', true],
    ['not supported, version unknown', 'pc-q35-2.4', BOOKWORM, undefined, undefined],
    ['not supported, no policy', 'pc-q35-rhel8.4.0', BOOKWORM, '10.1.0', false],
    ['nothing known', 'pc-q35-3.1', undefined, undefined, undefined],
    ['no policy, list unknown', 'pc-q35-rhel8.4.0', undefined, '10.1.0', undefined],
    ['unversioned, supported', 'microvm', BOOKWORM, '7.2.22', false],
  ])('deprecated: %s', (_, machine, supported, version, expected) => {
    expect(evaluate(machine, supported, version).deprecated).toBe(expected);
  });

  test.each([
    ['a foreign architecture, whose version is unknown', 'pc-q35-3.1', BOOKWORM, undefined, undefined],
    ['the policy alone decides', 'pc-q35-3.1', BOOKWORM, '9.1.0', true],
    ['the policy alone decides', 'pc-q35-7.2', BOOKWORM, '9.1.0', false],
    ['no policy', 'pc-q35-rhel9.8.0', RHEL, '9.1.0', undefined],
    ['no policy, unversioned', 'microvm', BOOKWORM, '7.2.22', undefined],
    ['a mark that is there all the same', 'pc-i440fx-1.7', BOOKWORM, undefined, true],
  ])('deprecated, where libvirt does not pass on marks: %s', (_, machine, supported, version, expected) => {
    expect(evaluate(machine, supported, version, false).deprecated).toBe(expected);
  });

  describe('a family that ends', () => {
    const RHEL_10 = machines('pc-q35-rhel10.2.0', 'q35=pc-q35-rhel10.2.0', 'pc-q35-rhel9.8.0!');
    const ENDED = machines('pc-i440fx-5.0!', 'pc-i440fx-4.2!', 'pc-q35-11.0', 'pc-q35-5.0!');

    test.each<[string, string, ReturnType<typeof machines>, string, string, string]>([
      [
        'its newest type is deprecated',
        'pc-i440fx-rhel7.6.0',
        RHEL,
        'pc-i440fx-rhel7.6.0',
        'pc-q35-rhel9.8.0',
        'RHEL 10',
      ],
      ['an alias of it', 'pc', RHEL, 'pc-i440fx-rhel7.6.0', 'pc-q35-rhel9.8.0', 'RHEL 10'],
      ['an older type of it', 'pc-i440fx-rhel7.3.0', RHEL, 'pc-i440fx-rhel7.6.0', 'pc-q35-rhel9.8.0', ''],
      ['it is gone', 'pc-i440fx-rhel7.6.0', RHEL_10, '', 'pc-q35-rhel10.2.0', 'RHEL 10'],
      ['another vendor has none of it', 'pc-i440fx-7.2', RHEL_10, '', 'pc-q35-rhel10.2.0', ''],
      ['upstream', 'pc-i440fx-4.2', ENDED, 'pc-i440fx-5.0', 'pc-q35-11.0', ''],
      ['it does not', 'pc-i440fx-1.7', BOOKWORM, 'pc-i440fx-7.2', '', ''],
      ['what it moves to does not', 'pc-q35-rhel8.6.0', RHEL, 'pc-q35-rhel9.8.0', '', 'RHEL 10'],
      ['there is no other', 'pc-i440fx-1.7', machines('pc-i440fx-1.7!'), 'pc-i440fx-1.7', '', ''],
      [
        'the others are deprecated too',
        'pc-i440fx-1.7',
        machines('pc-i440fx-1.7!', 'pc-q35-2.4!'),
        'pc-i440fx-1.7',
        '',
        '',
      ],
    ])('%s: %s', (_, machine, supported, latest, successor, removedInDistribution) => {
      expect(evaluate(machine, supported)).toMatchObject({ latest, successor, removedInDistribution });
    });

    test('does not end for a vendor whose types another emulator has, beside current types of others', () => {
      expect(evaluate('pc-i440fx-vz7.3.0', BOOKWORM)).toMatchObject({ latest: '', successor: '' });
      const mixed = machines('pc-i440fx-rhel7.6.0!', 'pc-i440fx-10.0', 'pc-q35-10.0');
      expect(evaluate('pc-i440fx-rhel7.6.0', mixed).successor).toBe('');
    });

    test('is not known to end where the list is unknown', () => {
      expect(evaluate('pc-i440fx-rhel7.6.0', undefined).successor).toBe('');
    });
  });

  test.each([
    ['pc-q35-jammy', 'Ubuntu 27.10'],
    ['pc-q35-noble-v2', 'Ubuntu 29.10'],
    ['virt-resolute', 'Ubuntu 31.10'],
    ['pc-i440fx-focal', 'Ubuntu 25.10'],
    ['pc-q35-mantic-maxcpus', 'Ubuntu 24.10'],
    ['pc-q35-lunar', 'Ubuntu 24.10'],
    ['pc-q35-kinetic', 'Ubuntu 24.10'],
    ['pc-i440fx-1.5-saucy', 'Ubuntu 14.10'],
    ['pc-1.0-precise', 'Ubuntu 17.10'],
    ['pc-q35-zzznew', ''],
    ['pc-q35-8.2', ''],
    ['pc-q35-rhel9.8.0', ''],
    ['virt-rhel8.6.0', ''],
  ])("%s goes by its distribution's own policy with %j", (machine, expected) => {
    expect(evaluate(machine, UBUNTU).removedInDistribution).toBe(expected);
  });

  test.each([
    ['pc-i440fx-vz7.3.0', 'pc-i440fx-vz7.8.0', 1],
    ['pc-i440fx-vz7.8.0', 'pc-i440fx-vz7.8.0', 0],
    ['pc-i440fx-2.12', 'pc-i440fx-2.12', 0],
    ['pc-i440fx-acme1.0', '', undefined],
    ['pc-i440fx-acme', 'pc-i440fx-2.12', undefined],
  ])("%s is compared with its vendor's own types", (machine, latest, releasesBehind) => {
    const virtuozzo = machines('pc-i440fx-vz7.3.0', 'pc-i440fx-vz7.8.0', 'pc-i440fx-2.12');
    expect(evaluate(machine, virtuozzo)).toMatchObject({ latest, releasesBehind });
  });

  test('how long the type is there is unknown where the installed version is', () => {
    expect(evaluate('pc-q35-3.1', BOOKWORM).releasesUntilRemoved).toBeUndefined();
  });

  test('never throws', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (machine, arch) => {
        const installed = { major: 7, minor: 2, micro: 22 };
        const result = evaluateMachineType({
          machine,
          arch,
          supported: BOOKWORM,
          installed,
          hasMarks: true,
        });
        expect(result.releasesBehind ?? 0).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe('indexSupportedMachines', () => {
  test('takes rows that repeat, and a canonical name that has no row of its own', () => {
    const index = machines('pc-q35-7.2', 'pc-q35-7.2!', 'q35=pc-q35-7.1');
    expect([...index.byName.keys()].sort()).toEqual(['pc-q35-7.1', 'pc-q35-7.2']);
    expect(index.byName.get('pc-q35-7.2')?.deprecated).toBe(true);
    expect(evaluate('q35', index).machine).toBe('pc-q35-7.1');
  });

  test('counts the versioned types of a family, aliases and boards not among them', () => {
    expect(countSupported(BOOKWORM)).toEqual([
      { family: 'pc-i440fx', status: 'current', count: 1 },
      { family: 'pc-i440fx', status: 'deprecated', count: 1 },
      { family: 'pc-q35', status: 'current', count: 6 },
      { family: 'pc-q35', status: 'deprecated', count: 0 },
    ]);
    expect(countSupported(machines('none', 'microvm'))).toEqual([]);
  });

  test('counts as unknown what neither a mark nor a policy decides, and no zero beside it', () => {
    const mixed = machines('virt-7.2', 'virt-7.1', 'pc-q35-7.2', 'pc-q35-7.1');
    const counts = countSupported(mixed, ({ type }) =>
      type.machine === 'pc-q35-7.1' ? 'deprecated' : type.family === 'virt' ? 'unknown' : 'current',
    );
    expect(counts).toEqual([
      { family: 'pc-q35', status: 'current', count: 1 },
      { family: 'pc-q35', status: 'deprecated', count: 1 },
      { family: 'virt', status: 'unknown', count: 2 },
    ]);
  });
});
