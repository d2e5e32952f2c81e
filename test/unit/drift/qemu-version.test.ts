import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { evaluateQemu, type QemuEvidence, type QemuVersionSource } from '../../../src/drift/qemu-version.ts';

const NOTHING: QemuEvidence = {
  installedVersion: undefined,
  loggedVersion: undefined,
  startedWithVersion: undefined,
  remembered: undefined,
  runsInstalledFile: undefined,
  startSeconds: undefined,
  fileBornSeconds: undefined,
  fileChangedSeconds: undefined,
};

type Row = [
  what: string,
  evidence: Partial<QemuEvidence>,
  runningVersion: string,
  source: QemuVersionSource,
  outdated: boolean | undefined,
];

describe('evaluateQemu', () => {
  test.each<Row>([
    ['nothing known', {}, 'unknown', 'none', undefined],
    ['only the installed version', { installedVersion: '7.2.22' }, 'unknown', 'none', undefined],

    [
      'log, same version, file unseen',
      { installedVersion: '7.2.22', loggedVersion: '7.2.22' },
      '7.2.22',
      'log',
      undefined,
    ],
    ['log, older', { installedVersion: '7.2.22', loggedVersion: '7.2.9' }, '7.2.9', 'log', true],
    [
      'log, older minor, higher micro',
      { installedVersion: '8.0.0', loggedVersion: '7.2.22' },
      '7.2.22',
      'log',
      true,
    ],
    [
      'log, two digits against one',
      { installedVersion: '10.0.0', loggedVersion: '9.2.4' },
      '9.2.4',
      'log',
      true,
    ],
    ['log, installed unknown', { loggedVersion: '7.2.22' }, '7.2.22', 'log', undefined],
    [
      'log, installed unknown, another file',
      { loggedVersion: '7.2.22', runsInstalledFile: false },
      '7.2.22',
      'log',
      true,
    ],
    ['downgrade', { installedVersion: '7.2.22', loggedVersion: '8.2.2' }, '8.2.2', 'log', false],
    [
      'downgrade, another file',
      { installedVersion: '7.2.22', loggedVersion: '8.2.2', runsInstalledFile: false },
      '8.2.2',
      'log',
      false,
    ],
    [
      'security update: the same version in another file',
      { installedVersion: '7.2.22', loggedVersion: '7.2.22', runsInstalledFile: false },
      '7.2.22',
      'log',
      true,
    ],
    [
      'security update, known by times alone',
      {
        installedVersion: '7.2.22',
        loggedVersion: '7.2.22',
        startSeconds: 1_000,
        fileBornSeconds: 5_000,
        fileChangedSeconds: 5_000,
      },
      '7.2.22',
      'log',
      true,
    ],
    [
      'the same version in the same file',
      { installedVersion: '7.2.22', loggedVersion: '7.2.22', runsInstalledFile: true },
      '7.2.22',
      'log',
      false,
    ],

    ['event, older', { installedVersion: '8.2.2', startedWithVersion: '7.2.22' }, '7.2.22', 'event', true],
    [
      'event, same version',
      { installedVersion: '7.2.22', startedWithVersion: '7.2.22' },
      '7.2.22',
      'event',
      undefined,
    ],
    [
      'log and event differ: the log names the binary itself',
      { installedVersion: '8.2.2', loggedVersion: '7.2.22', startedWithVersion: '8.2.2' },
      '7.2.22',
      'log',
      true,
    ],

    [
      'the installed file',
      { installedVersion: '7.2.22', runsInstalledFile: true },
      '7.2.22',
      'binary',
      false,
    ],
    ['the installed file of unknown version', { runsInstalledFile: true }, 'unknown', 'none', false],
    ['another file', { installedVersion: '7.2.22', runsInstalledFile: false }, 'unknown', 'none', true],
    [
      'another file, whatever the times say',
      {
        installedVersion: '7.2.22',
        runsInstalledFile: false,
        startSeconds: 9_000,
        fileChangedSeconds: 1_000,
      },
      'unknown',
      'none',
      true,
    ],

    [
      'started long after the file was last changed',
      { installedVersion: '7.2.22', startSeconds: 9_000, fileBornSeconds: 1_000, fileChangedSeconds: 1_000 },
      '7.2.22',
      'start_time',
      false,
    ],
    [
      'started before the file was made',
      { installedVersion: '7.2.22', startSeconds: 1_000, fileBornSeconds: 9_000, fileChangedSeconds: 9_500 },
      'unknown',
      'none',
      true,
    ],
    [
      'started before the file was relabelled, after it was made',
      { installedVersion: '7.2.22', startSeconds: 5_000, fileBornSeconds: 1_000, fileChangedSeconds: 9_000 },
      'unknown',
      'none',
      undefined,
    ],
    [
      'started before the last change, on a file system without birth times',
      { installedVersion: '7.2.22', startSeconds: 1_000, fileChangedSeconds: 9_000 },
      'unknown',
      'none',
      undefined,
    ],
    [
      'started after the last change, on a file system without birth times',
      { installedVersion: '7.2.22', startSeconds: 9_000, fileChangedSeconds: 1_000 },
      '7.2.22',
      'start_time',
      false,
    ],
    [
      'a start without a file',
      { installedVersion: '7.2.22', startSeconds: 9_000 },
      'unknown',
      'none',
      undefined,
    ],
    [
      'a file without a start',
      { installedVersion: '7.2.22', fileBornSeconds: 1_000, fileChangedSeconds: 1_000 },
      'unknown',
      'none',
      undefined,
    ],
    [
      'remembered from its start time, before the upgrade that replaced the file',
      {
        installedVersion: '7.2.23',
        remembered: { runningVersion: '7.2.22', source: 'start_time' },
        startSeconds: 1_000,
        fileBornSeconds: 5_000,
        fileChangedSeconds: 5_000,
      },
      '7.2.22',
      'start_time',
      true,
    ],
    [
      'remembered, while libvirt has not examined the new file',
      { remembered: { runningVersion: '7.2.22', source: 'start_time' }, runsInstalledFile: false },
      '7.2.22',
      'start_time',
      true,
    ],
    [
      'remembered, and nothing else',
      { remembered: { runningVersion: '7.2.22', source: 'log' } },
      '7.2.22',
      'log',
      undefined,
    ],
    [
      'remembered, but seen now',
      {
        installedVersion: '7.2.22',
        loggedVersion: '7.2.22',
        remembered: { runningVersion: '7.2.9', source: 'start_time' },
        runsInstalledFile: true,
      },
      '7.2.22',
      'log',
      false,
    ],
  ])('%s', (_what, evidence, runningVersion, source, outdated) => {
    expect(evaluateQemu({ ...NOTHING, ...evidence })).toEqual({ runningVersion, source, outdated });
  });

  test.each([
    [-3, true],
    [-2, undefined],
    [0, undefined],
    [2, undefined],
    [3, false],
  ])('started %d s from the moment the file was made: clocks are not that exact', (apart, outdated) => {
    const evidence = { startSeconds: 1_000 + apart, fileBornSeconds: 1_000, fileChangedSeconds: 1_000 };
    expect(evaluateQemu({ ...NOTHING, ...evidence }).outdated).toBe(outdated);
  });

  test('from any evidence: a version with its source, or unknown with none', () => {
    const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
      fc.option(value, { nil: undefined });
    const version = maybe(fc.constantFrom('7.2.22', '7.2.9', '8.0.0', '10.1.0'));
    const time = maybe(fc.integer({ min: 0, max: 20 }));
    const evidence = fc.record({
      installedVersion: version,
      loggedVersion: version,
      startedWithVersion: version,
      remembered: fc.constant(undefined),
      runsInstalledFile: maybe(fc.boolean()),
      startSeconds: time,
      fileBornSeconds: time,
      fileChangedSeconds: time,
    });
    fc.assert(
      fc.property(evidence, (known) => {
        const result = evaluateQemu(known);
        expect(result.source === 'none').toBe(result.runningVersion === 'unknown');
        if (result.source === 'binary' || result.source === 'start_time') {
          expect(result).toMatchObject({ runningVersion: known.installedVersion, outdated: false });
        }
      }),
    );
  });
});
