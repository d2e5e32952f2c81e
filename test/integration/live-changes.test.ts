import { rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { diskPath } from '../../testbed/domain-xml.ts';
import { defineGuest, destroyGuest, runGuest, undefineGuest } from '../../testbed/domains.ts';
import { type ExporterProcess, startExporterProcess } from '../../testbed/exporter-process.ts';
import { bootSector, haltedGuest } from '../../testbed/halted-guest.ts';
import { STATE_DIR } from '../../testbed/paths.ts';
import { virsh } from '../../testbed/virsh.ts';

const NAME = 'rig-test-live';
const OFF = 'rig-test-off';
const HALT = 'fa f4 eb fc';
const COPY = `${STATE_DIR}/${NAME}-copy.img`;
const OVERLAY = `${STATE_DIR}/${NAME}-overlay.qcow2`;
const SCRATCH = `${STATE_DIR}/${NAME}-scratch`;
const BACKUP = `${STATE_DIR}/${NAME}-backup.xml`;
const disk = { domain: NAME, device: 'vda' };
const JOB = 'libvirt_domain_block_job_active';

let exporter: ExporterProcess;

beforeAll(async () => {
  await runGuest(
    haltedGuest(NAME, {
      machine: 'q35',
      vcpus: 1,
      maximumVcpus: 3,
      disk: { sizeMiB: 64, content: bootSector(HALT) },
    }),
  );
  await defineGuest(haltedGuest(OFF, { memoryMiB: 24, disk: { sizeMiB: 3 } }));
  exporter = await startExporterProcess('--domain.include=rig-test-(live|off)');
  await exporter.scrape();
});

afterAll(async () => {
  await exporter?.stop();
  await destroyGuest(NAME);
  for (const name of [NAME, OFF]) await undefineGuest(name);
  await Promise.all([COPY, OVERLAY, SCRATCH, BACKUP].map((path) => rm(path, { force: true })));
});

test('a vCPU that is plugged in shows in the next scrape, and waits for no stop of its own', async () => {
  await virsh(['setvcpus', NAME, '2', '--live', '--config']);
  const seen = await exporter.scrape();
  expect(seen.value('libvirt_domain_vcpus', { domain: NAME })).toBe(2);
  expect(seen.value('libvirt_domain_config_pending', { domain: NAME, change: 'cpu' })).toBe(0);
});

test('a copy of a disk shows while it runs, and its target is the source after the pivot', async () => {
  expect((await exporter.scrape()).all(JOB, disk)).toEqual([]);
  await virsh(['blockcopy', NAME, 'vda', COPY, '--transient-job', '--format', 'raw']);
  expect((await exporter.scrape()).value(JOB, { ...disk, type: 'copy' })).toBe(1);
  await exporter.scrapeUntil((seen) => seen.value(JOB, { ...disk, type: 'copy' }) === 1);
  const pivot = async (): Promise<boolean> =>
    virsh(['blockjob', NAME, 'vda', '--pivot']).then(
      () => true,
      () => false,
    );
  for (let isDone = await pivot(); !isDone; isDone = await pivot()) await exporter.scrape();
  const seen = await exporter.scrape();
  expect(seen.all(JOB, disk)).toEqual([]);
  expect(seen.labels('libvirt_domain_block_info', disk)?.source).toBe(COPY);
});

test('a snapshot on disk shows its overlay, the longer chain and itself', async () => {
  const before = Math.floor(Date.now() / 1000);
  expect((await exporter.scrape()).value('libvirt_domain_snapshots', { domain: NAME })).toBe(0);
  const spec = `vda,file=${OVERLAY}`;
  await virsh(['snapshot-create-as', NAME, 'first', '--disk-only', '--diskspec', spec]);
  const seen = await exporter.scrape();
  expect(seen.labels('libvirt_domain_block_info', disk)?.source).toBe(OVERLAY);
  expect(seen.value('libvirt_domain_block_backing_chain_length', disk)).toBe(1);
  expect(seen.value('libvirt_domain_snapshots', { domain: NAME })).toBe(1);
  expect(
    seen.value('libvirt_domain_snapshot_oldest_timestamp_seconds', { domain: NAME }),
  ).toBeGreaterThanOrEqual(before);
});

test('a commit shows until its end, which makes the chain shorter', async () => {
  await virsh(['blockcommit', NAME, 'vda', '--active']);
  await exporter.scrapeUntil((seen) => seen.value(JOB, { ...disk, type: 'active_commit' }) === 1);
  await virsh(['blockjob', NAME, 'vda', '--pivot']);
  const seen = await exporter.scrape();
  expect(seen.all(JOB, disk)).toEqual([]);
  expect(seen.labels('libvirt_domain_block_info', disk)?.source).toBe(COPY);
  expect(seen.value('libvirt_domain_block_backing_chain_length', disk)).toBe(0);
});

test('a backup is a job of the domain and of the disk', async () => {
  const xml = `<domainbackup mode='pull'><server transport='unix' socket='/run/${NAME}.sock'/><disks>
    <disk name='vda' type='file'><scratch file='${SCRATCH}'/></disk></disks></domainbackup>`;
  await writeFile(BACKUP, xml);
  await virsh(['backup-begin', NAME, BACKUP]);
  const seen = await exporter.scrapeUntil(
    (later) => later.value('libvirt_domain_job_active', { domain: NAME }) === 1,
    3_000,
  );
  expect(seen.value(JOB, { ...disk, type: 'backup' })).toBe(1);
  await virsh(['domjobabort', NAME]);
  await exporter.scrapeUntil((later) => later.all(JOB, disk).length === 0);
});

test('a domain that is shut off has the size of its disk and its maximum memory', async () => {
  const seen = await exporter.scrape();
  const off = { domain: OFF, device: 'vda' };
  expect(seen.value('libvirt_domain_block_capacity_bytes', off)).toBe(3 * 2 ** 20);
  expect(seen.value('libvirt_domain_balloon_maximum_bytes', { domain: OFF })).toBe(24 * 2 ** 20);
  expect(seen.all('libvirt_domain_balloon_current_bytes', { domain: OFF })).toEqual([]);
  expect(seen.labels('libvirt_domain_block_info', off)?.source).toBe(diskPath(OFF));
});
