import { describe, expect, test } from '@jest/globals';
import {
  emulatorBlocks,
  type FileState,
  type FirmwareEvidence,
  firmwareBlocks,
} from '../../../src/drift/start-blocked.ts';

describe('the emulator', () => {
  test.each<[FileState, boolean | undefined, boolean | undefined]>([
    ['executable', true, false],
    ['executable', undefined, false],
    ['executable', false, true],
    ['missing', true, true],
    ['missing', undefined, true],
    ['not_executable', true, true],
    [undefined, true, false],
    [undefined, false, true],
    [undefined, undefined, undefined],
  ])('whose file is %s, available %s: %s', (file, isAvailable, blocks) => {
    expect(emulatorBlocks({ file, isAvailable })).toBe(blocks);
  });
});

describe('the firmware', () => {
  type Row = [loader?: FileState | 'unseen', template?: FileState | 'unseen', nvram?: FileState | 'unseen'];
  const named = (state: FileState | 'unseen') =>
    state === undefined ? undefined : { path: '/f', state: state === 'unseen' ? undefined : state };
  const evidence = ([loader, nvramTemplate, nvram]: Row, isAutomatic = false): FirmwareEvidence => ({
    loader: named(loader),
    nvramTemplate: named(nvramTemplate),
    nvram: named(nvram),
    isAutomatic,
  });

  test.each<[what: string, row: Row, blocks: boolean | undefined]>([
    ['none is named: BIOS', [], false],
    ['the loader is there', ['not_executable'], false],
    ['the loader is missing', ['missing'], true],
    ['the loader cannot be seen', ['unseen'], undefined],
    ['all is there', ['not_executable', 'not_executable', 'not_executable'], false],
    ['the template is missing, and there is no store yet', ['not_executable', 'missing', 'missing'], true],
    [
      'the template is missing, and the store is there',
      ['not_executable', 'missing', 'not_executable'],
      false,
    ],
    [
      'the template is missing, and the store cannot be seen',
      ['not_executable', 'missing', 'unseen'],
      undefined,
    ],
    ['the template is missing, and no store is named', ['not_executable', 'missing'], undefined],
    ['the template cannot be seen', ['not_executable', 'unseen', 'missing'], undefined],
    ['the loader is missing, and the store is there', ['missing', 'not_executable', 'not_executable'], true],
    [
      'the store is missing, and the template is there',
      ['not_executable', 'not_executable', 'missing'],
      false,
    ],
  ])('%s', (_, row, blocks) => {
    expect(firmwareBlocks(evidence(row))).toBe(blocks);
  });

  test('that libvirt chooses at start is unknown', () => {
    expect(firmwareBlocks(evidence([], true))).toBeUndefined();
    expect(firmwareBlocks(evidence(['missing'], true))).toBe(true);
    expect(firmwareBlocks(evidence(['not_executable'], true))).toBe(false);
  });
});
