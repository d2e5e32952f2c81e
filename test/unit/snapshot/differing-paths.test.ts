import { expect, test } from '@jest/globals';
import { parseDomainXml } from '../../../src/inventory/domain-xml.ts';
import { differingPaths } from '../../../src/snapshot/differing-paths.ts';

const domain = (emulator: string, loader: string, disks: string) =>
  parseDomainXml(
    `<domain><os><loader>${loader}</loader></os><devices><emulator>${emulator}</emulator>${disks}</devices></domain>`,
  );
const disk = (target: string, source: string, type = 'file') =>
  `<disk type='${type}'><source ${source}/><target dev='${target}'/></disk>`;

test('only paths on the host that differ are looked up', () => {
  const live = domain('/bin/a', '/fw/a', disk('vda', "file='/a'") + disk('vdb', "file='/same'"));
  const persistent = domain('/bin/b', '/fw/b', disk('vda', "file='/b'") + disk('vdb', "file='/same'"));
  expect(differingPaths(live, persistent)).toEqual([
    ['/bin/a', '/bin/b'],
    ['/a', '/b'],
    ['/fw/a', '/fw/b'],
  ]);
});

test('names on a network, other types and new disks are not', () => {
  const network = (name: string) => disk('vda', `protocol='rbd' name='${name}'`, 'network');
  const live = domain('/a', '/f', network('/a') + disk('vdb', "file='/a'"));
  const persistent = domain(
    '/a',
    '/f',
    network('/b') + disk('vdb', "dev='/b'", 'block') + disk('vdc', "file='/c'"),
  );
  expect(differingPaths(live, persistent)).toEqual([]);
});
