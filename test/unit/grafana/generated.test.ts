import { expect, test } from '@jest/globals';
import { renderDashboards } from '../../../grafana/src/dashboards.ts';
import { committedDashboards, committedFiles } from './committed.ts';

test('the committed dashboards are what grafana/src generates', () => {
  const differ = [...renderDashboards()].filter(([name, text]) => committedFiles().get(name) !== text);
  expect({ differ: differ.map(([name]) => name), mend: 'npm run dashboards' }).toEqual({
    differ: [],
    mend: 'npm run dashboards',
  });
  expect([...committedFiles().keys()]).toEqual([
    'domain.json',
    'exporter.json',
    'fleet.json',
    'hypervisor.json',
  ]);
});

test('generating twice gives the same text', () => {
  expect(renderDashboards()).toEqual(renderDashboards());
});

test('uids and file names stay, since bookmarks and links are made of them', () => {
  const uids = Object.fromEntries(committedDashboards().map(({ file, uid }) => [file, uid]));
  expect(uids).toEqual({
    'domain.json': 'libvirt-drift-domain',
    'exporter.json': 'libvirt-drift-exporter',
    'fleet.json': 'libvirt-drift-fleet',
    'hypervisor.json': 'libvirt-drift-hypervisor',
  });
});
