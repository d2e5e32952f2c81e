import { mkdir, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { defineGuest, destroyGuest, runGuest, undefineGuest } from '../../testbed/domains.ts';
import {
  type ExporterProcess,
  MAIN,
  startExporterProcess,
  startProgram,
} from '../../testbed/exporter-process.ts';
import type { Exposition } from '../../testbed/exposition.ts';
import { haltedGuest } from '../../testbed/halted-guest.ts';
import { STATE_DIR } from '../../testbed/paths.ts';
import { virsh } from '../../testbed/virsh.ts';
import { promtoolCheckMetrics } from '../support/promtool.ts';

const DOMAIN = 'rig-test-measured';
const POOL = 'rig-test-pool';
const POOL_DIR = `${STATE_DIR}/${POOL}`;
const SCRATCH = `${STATE_DIR}/${DOMAIN}.scratch`;
const EXTRA = `${STATE_DIR}/${DOMAIN}-extra.img`;
const BACKUP = `${STATE_DIR}/${DOMAIN}-backup.xml`;
const SOCKET = '/run/rig-test-measured-nbd.sock';
/** Defined and not started: its interfaces could not be had here. */
const ODD = `${DOMAIN}-odd`;

const NOVA = `<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
  <nova:name>web</nova:name><nova:flavor name="m1.small"/>
  <nova:owner><nova:user uuid="u1">alice</nova:user><nova:project uuid="p1">shop</nova:project></nova:owner>
  <nova:root type="image" uuid="i1"/>
</nova:instance>`;

let exporter: ExporterProcess;

beforeAll(async () => {
  await runGuest(
    haltedGuest(DOMAIN, {
      machine: 'q35',
      vcpus: 2,
      maximumVcpus: 4,
      extraMetadataXml: NOVA,
      extraDevicesXml: `<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
        <interface type='ethernet'><target dev='rigtap0'/><mac address='52:54:00:aa:bb:01'/>
          <model type='virtio'/><rom enabled='no'/></interface>`,
    }),
  );
  exporter = await startExporterProcess(`--domain.include=${DOMAIN}(-odd)?`);
});

afterAll(async () => {
  await exporter?.stop();
  await virsh(['pool-destroy', POOL]).catch(() => undefined);
  await virsh(['pool-undefine', POOL]).catch(() => undefined);
  await destroyGuest(DOMAIN);
  await undefineGuest(DOMAIN);
  await undefineGuest(ODD);
  await Promise.all(
    [POOL_DIR, SCRATCH, SOCKET, EXTRA, BACKUP].map((path) => rm(path, { recursive: true, force: true })),
  );
});

/** What `virsh domstats` says, as numbers by field. */
async function domstats(): Promise<ReadonlyMap<string, number>> {
  const text = await virsh(['domstats', DOMAIN]);
  return new Map(
    [...text.matchAll(/^ {2}([\w.-]+)=(\d+)$/gm)].map(([, field = '', value]) => [field, Number(value)]),
  );
}

const value = (seen: Exposition, name: string, labels: Readonly<Record<string, string>> = {}) =>
  seen.value(`libvirt_domain_${name}`, { domain: DOMAIN, ...labels });

describe('what libvirt measures is served as virsh prints it', () => {
  test('disks', async () => {
    const expected = await domstats();
    const seen = await exporter.scrape();
    const vda = { device: 'vda' };
    expect(value(seen, 'block_read_bytes_total', vda)).toBe(expected.get('block.0.rd.bytes'));
    expect(value(seen, 'block_read_requests_total', vda)).toBe(expected.get('block.0.rd.reqs'));
    expect(value(seen, 'block_read_time_seconds_total', vda)).toBeCloseTo(
      (expected.get('block.0.rd.times') ?? 0) / 1e9,
      9,
    );
    expect(value(seen, 'block_flush_requests_total', vda)).toBe(expected.get('block.0.fl.reqs'));
    expect(value(seen, 'block_capacity_bytes', vda)).toBe(expected.get('block.0.capacity'));
    expect(value(seen, 'block_physical_bytes', vda)).toBe(expected.get('block.0.physical'));
    expect(expected.get('block.0.rd.reqs')).toBeGreaterThan(0);
  });

  test('an empty CD-ROM drive has an info series and spoils nothing', async () => {
    const seen = await exporter.scrape();
    expect(seen.labels('libvirt_domain_block_info', { device: 'sda' })).toMatchObject({
      bus: 'sata',
      source: '',
    });
    expect(value(seen, 'block_capacity_bytes', { device: 'sda' })).toBeUndefined();
    expect(value(seen, 'scrape_success')).toBe(1);
  });

  test('interfaces: one with a name on the host is counted, one without is only described', async () => {
    const expected = await domstats();
    const seen = await exporter.scrape();
    const tap = { device: 'rigtap0' };
    expect(value(seen, 'interface_info', tap)).toBe(1);
    expect(seen.labels('libvirt_domain_interface_info', tap)).toMatchObject({
      interface_type: 'ethernet',
      mac: '52:54:00:aa:bb:01',
      model: 'virtio',
    });
    const index = [0, 1].find((candidate) => expected.has(`net.${candidate}.rx.bytes`));
    expect(value(seen, 'interface_receive_bytes_total', tap)).toBeGreaterThanOrEqual(
      expected.get(`net.${index}.rx.bytes`) ?? Number.NaN,
    );
    expect(seen.all('libvirt_domain_interface_info')).toHaveLength(2);
    expect(seen.all('libvirt_domain_interface_receive_bytes_total')).toHaveLength(1);
  });

  test('processor time of domain and vCPUs', async () => {
    const before = await domstats();
    const seen = await exporter.scrape();
    const after = await domstats();
    const seconds = (field: string) => [
      (before.get(field) ?? Number.NaN) / 1e9,
      (after.get(field) ?? Number.NaN) / 1e9,
    ];
    const between = (got: number | undefined, [low = Number.NaN, high = Number.NaN]: number[]) => {
      // A double of seconds holds nanoseconds to some 10^-9.
      expect(got).toBeGreaterThanOrEqual(low - 1e-6);
      expect(got).toBeLessThanOrEqual(high + 1e-6);
    };
    between(value(seen, 'cpu_seconds_total'), seconds('cpu.time'));
    between(value(seen, 'vcpu_time_seconds_total', { vcpu: '0' }), seconds('vcpu.0.time'));
    between(value(seen, 'vcpu_delay_seconds_total', { vcpu: '1' }), seconds('vcpu.1.delay'));
    expect(value(seen, 'vcpus')).toBe(2);
    expect(value(seen, 'vcpus_maximum')).toBe(4);
  });

  test('vCPUs are the same by their threads as by libvirt, which alone has them where threads cannot be seen', async () => {
    await virsh(['setvcpu', DOMAIN, '3', '--enable', '--live']);
    const blind = await startProgram(
      {
        // A process namespace of its own, as in a container.
        wrapper: ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child=SIGTERM'],
        node: process.execPath,
        main: MAIN,
      },
      [`--domain.include=${DOMAIN}`],
    );
    try {
      const before = await exporter.scrape();
      const byLibvirt = await blind.scrape();
      const after = await exporter.scrape();
      const numbers = (seen: Exposition, name: string) =>
        seen.all(`libvirt_domain_vcpu_${name}`).map(({ labels }) => labels.vcpu);
      for (const name of ['state', 'time_seconds_total', 'wait_seconds_total', 'delay_seconds_total']) {
        expect([name, numbers(before, name)]).toEqual([name, ['0', '1', '3']]);
        expect([name, numbers(byLibvirt, name)]).toEqual([name, ['0', '1', '3']]);
        for (const vcpu of ['0', '1', '3']) {
          const [least = Number.NaN, byCall, most = Number.NaN] = [before, byLibvirt, after].map((seen) =>
            value(seen, `vcpu_${name}`, { vcpu }),
          );
          expect([name, vcpu, byCall]).toEqual([name, vcpu, expect.any(Number)]);
          expect(byCall).toBeGreaterThanOrEqual(least);
          expect(byCall).toBeLessThanOrEqual(most);
        }
      }
      for (const seen of [before, byLibvirt]) {
        expect(value(seen, 'vcpus')).toBe(3);
        expect(value(seen, 'vcpus_maximum')).toBe(4);
      }
      expect(value(byLibvirt, 'start_time_seconds')).toBeUndefined();
    } finally {
      // unshare itself heeds no SIGTERM; the exporter gets one when it is gone.
      blind.child.kill('SIGKILL');
    }
  });

  test('OpenStack metadata', async () => {
    const seen = await exporter.scrape();
    expect(seen.labels('libvirt_domain_openstack_info')).toMatchObject({
      instance_name: 'web',
      flavor_name: 'm1.small',
      user_name: 'alice',
      project_id: 'p1',
      root_type: 'image',
      root_uuid: 'i1',
      instance_id: seen.labels('libvirt_domain_info')?.uuid,
    });
  });
});

test('a limit set while it runs shows, and is absent again when it is lifted', async () => {
  const limit = (seen: Exposition) => value(seen, 'block_limit_write_bytes_per_second', { device: 'vda' });
  expect(limit(await exporter.scrape())).toBeUndefined();
  await virsh(['blkdeviotune', DOMAIN, 'vda', '--write-bytes-sec', '5000000', '--live']);
  await exporter.scrapeUntil((seen) => limit(seen) === 5_000_000);
  await virsh(['blkdeviotune', DOMAIN, 'vda', '--write-bytes-sec', '0', '--live']);
  await exporter.scrapeUntil((seen) => limit(seen) === undefined);
});

test('a disk that is plugged in while scrapes run is served', async () => {
  const serial = (seen: Exposition) => seen.labels('libvirt_domain_block_info', { device: 'vdb' })?.serial;
  await writeFile(EXTRA, Buffer.alloc(1024 * 1024));
  await virsh(['attach-disk', DOMAIN, EXTRA, 'vdb', '--serial', 'S1', '--live']);
  await exporter.scrapeUntil(
    (seen) => serial(seen) === 'S1' && value(seen, 'block_capacity_bytes', { device: 'vdb' }) === 1024 * 1024,
  );
});

test('a job: a backup that runs is served with its operation, and is gone when it ends', async () => {
  await writeFile(
    BACKUP,
    `<domainbackup mode='pull'><server transport='unix' socket='${SOCKET}'/>
      <disks><disk name='vda' type='file'><scratch file='${SCRATCH}'/></disk>
      <disk name='sda' backup='no'/><disk name='vdb' backup='no'/></disks></domainbackup>`,
  );
  expect(value(await exporter.scrape(), 'job_active')).toBe(0);
  await virsh(['backup-begin', DOMAIN, BACKUP]);
  const running = await exporter.scrapeUntil((seen) => value(seen, 'job_active') === 1);
  expect(value(running, 'job_info', { operation: 'backup' })).toBe(1);
  expect(value(running, 'job_elapsed_seconds')).toBeGreaterThanOrEqual(0);
  await virsh(['domjobabort', DOMAIN]);
  const ended = await exporter.scrapeUntil((seen) => value(seen, 'job_active') === 0);
  expect(ended.all('libvirt_domain_job_info')).toEqual([]);
});

test('two interfaces of one name are one series, and SR-IOV interfaces, which have none, are kept apart', async () => {
  const nic = `<interface type='ethernet'><target dev='rigtap1'/><model type='virtio'/></interface>`;
  const virtualFunction = (slot: string) =>
    `<interface type='hostdev' managed='no'>
      <source><address type='pci' domain='0' bus='0' slot='${slot}' function='0'/></source></interface>`;
  await defineGuest(
    haltedGuest(ODD, {
      userNetwork: false,
      extraDevicesXml: nic + nic + virtualFunction('0x1d') + virtualFunction('0x1e'),
    }),
  );
  const interfaces = (seen: Exposition) => seen.all('libvirt_domain_interface_info', { domain: ODD });
  const seen = await exporter.scrapeUntil((later) => interfaces(later).length > 0);
  const devices = interfaces(seen).map(({ labels }) => labels.device);
  expect(new Set(devices).size).toBe(3);
  expect(devices).toHaveLength(3);
  expect(devices.filter((device) => device === 'rigtap1')).toHaveLength(1);
  expect(seen.value('libvirt_domain_scrape_success', { domain: DOMAIN })).toBe(1);
  expect(await promtoolCheckMetrics(await exporter.scrapeText())).toBe('');
  await undefineGuest(ODD);
});

describe('storage pools', () => {
  test('are as libvirt last saw them, and none is refreshed', async () => {
    await mkdir(POOL_DIR, { recursive: true });
    await virsh(['pool-define-as', POOL, 'dir', '--target', POOL_DIR]);
    const off = await exporter.scrapeUntil(
      (seen) => seen.value('libvirt_storage_pool_state', { pool: POOL, state: 'inactive' }) === 1,
    );
    expect(off.value('libvirt_storage_pool_capacity_bytes', { pool: POOL })).toBeUndefined();
    await virsh(['pool-start', POOL]);
    const on = await exporter.scrapeUntil(
      (seen) => seen.value('libvirt_storage_pool_state', { pool: POOL, state: 'running' }) === 1,
    );
    const printed = await virsh(['pool-info', POOL, '--bytes']);
    const bytes = (what: string) => Number(new RegExp(`^${what}: +(\\d+)$`, 'm').exec(printed)?.[1]);
    for (const what of ['Capacity', 'Allocation', 'Available']) {
      expect(on.value(`libvirt_storage_pool_${what.toLowerCase()}_bytes`, { pool: POOL })).toBe(bytes(what));
    }
    const calls = on.all('libvirt_exporter_rpc_calls_total').map(({ labels }) => labels.procedure);
    expect(calls).toContain('STORAGE_POOL_GET_INFO');
    expect(calls.filter((name) => name?.includes('REFRESH'))).toEqual([]);
  });

  test('one whose folder is gone is as libvirt has it, and the others are served', async () => {
    const poolInfo = async () => {
      const text = await virsh(['pool-info', POOL, '--bytes']);
      return {
        state: /^State: +(\w+)$/m.exec(text)?.[1] ?? '',
        capacity: /^Capacity: +(\d+)$/m.exec(text)?.[1],
      };
    };
    const agrees = (seen: Exposition, { state, capacity }: Awaited<ReturnType<typeof poolInfo>>): boolean =>
      seen.value('libvirt_storage_pool_state', { pool: POOL, state }) === 1 &&
      seen.value('libvirt_storage_pool_capacity_bytes', { pool: POOL }) ===
        (capacity === undefined ? undefined : Number(capacity));
    await rm(POOL_DIR, { recursive: true });
    // Nobody has looked since: to libvirt it still runs.
    const before = await poolInfo();
    expect(agrees(await exporter.scrape(), before)).toBe(true);
    await expect(virsh(['pool-refresh', POOL])).rejects.toThrow();
    const after = await poolInfo();
    expect(after.state).toBe('inactive');
    const seen = await exporter.scrapeUntil((later) => agrees(later, after));
    expect(seen.value('libvirt_scrape_collector_success', { collector: 'storage-pool' })).toBe(1);
    expect(exporter.log.filter(({ msg }) => msg.includes('storage pools'))).toEqual([]);
  });
});

test('everything served at once passes promtool', async () => {
  expect(await promtoolCheckMetrics(await exporter.scrapeText())).toBe('');
});

test('a selection of collectors calls libvirt only for what they show', async () => {
  const calls = (seen: Exposition) =>
    seen.value('libvirt_exporter_rpc_calls_total', { procedure: 'DOMAIN_GET_CPU_STATS' }) ?? Number.NaN;
  const before = calls(await exporter.scrape());
  const text = await (await fetch(`${exporter.url}/metrics?collect[]=block`)).text();
  expect(text).toContain('libvirt_domain_block_read_bytes_total');
  expect(text).not.toContain('libvirt_domain_vcpu');
  expect(calls(await exporter.scrape())).toBe(before + 1);
});
