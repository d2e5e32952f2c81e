import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  agentRequests,
  filesOpenInAgent,
  guestShell,
  readGuestFile,
  slowGuestAgentCommand,
  stallAgentWithOpenFile,
  waitForAgent,
} from '../../testbed/agent.ts';
import { cleanUp } from '../../testbed/clean-up.ts';
import { destroyGuest, runGuest, undefineGuest } from '../../testbed/domains.ts';
import { type ExporterProcess, startExporterProcess } from '../../testbed/exporter-process.ts';
import type { Exposition } from '../../testbed/exposition.ts';
import { startFleet } from '../../testbed/fleet.ts';
import { linuxGuest } from '../../testbed/linux-guest.ts';
import { continueQemu, stopQemu } from '../../testbed/qemu-process.ts';
import { virsh } from '../../testbed/virsh.ts';
import { waitFor } from '../../testbed/wait.ts';
import { promtoolCheckMetrics } from '../support/promtool.ts';

const THRASHING = 'rig-test-guest-thrashing';
const CALM = 'rig-test-guest-calm';
const FILTERED = 'rig-test-guest-filtered';
const OLD = 'rig-test-guest-old';
const SILENT = 'rig-test-guest-silent';
const FIRST = [THRASHING, CALM];
const SECOND = [FILTERED, OLD, SILENT];
const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] as const;
const BOOT_MS = 120_000;

let exporter: ExporterProcess;

beforeAll(async () => {
  await Promise.all([
    linuxGuest({
      name: THRASHING,
      os: 'ubuntu-20.04',
      declaredOs: 'http://ubuntu.com/ubuntu/18.04',
      machine: 'pc-q35-3.1',
      memoryMiB: 176,
      vcpus: 2,
      swap: 'thrash',
      swapMiB: 256,
      diskBytesPerSec: 4_000_000,
      balloonPeriodSeconds: 2,
      kubelet: true,
    }).then(runGuest),
    linuxGuest({
      name: CALM,
      os: 'ubuntu-20.04',
      declaredOs: 'http://ubuntu.com/ubuntu/20.04',
      machine: 'q35',
      memoryMiB: 160,
      dataDisk: true,
    }).then(runGuest),
  ]);
  await Promise.all(FIRST.map((name) => waitForAgent(name, BOOT_MS)));
  exporter = await startExporterProcess('--guest.interval=3s', '--guest.timeout=5s');
}, BOOT_MS);

afterAll(async () => {
  await exporter?.stop();
  for (const name of [...FIRST, ...SECOND]) {
    await destroyGuest(name);
    await undefineGuest(name);
  }
}, BOOT_MS);

const read = (seen: Exposition, name: string, domain: string) =>
  seen.value(`libvirt_domain_guest_${name}`, { domain });
const answered = (domain: string) => (seen: Exposition) => read(seen, 'agent_up', domain) === 1;
const cpu = (seen: Exposition, domain: string, mode: string) =>
  seen.value('libvirt_domain_guest_cpu_seconds_total', { domain, mode }) ?? Number.NaN;
const missing = (seen: Exposition, domain: string): Record<string, string | undefined> =>
  Object.fromEntries(
    seen.all('libvirt_domain_guest_missing', { domain }).map(({ labels }) => [labels.family, labels.reason]),
  );
/** It answered all commands of a probe: a guest that thrashes may fall silent in the middle of a probe. */
const answeredInFull = (domain: string) => (seen: Exposition) =>
  answered(domain)(seen) && Object.keys(missing(seen, domain)).every((family) => family === 'balloon');
const driftOf = (seen: Exposition, domain: string) =>
  seen.all('libvirt_domain_os_drift', { domain }).find(({ value }) => value === 1)?.labels.state;

async function directCpuSeconds(domain: string): Promise<Record<string, number>> {
  const reply = (await slowGuestAgentCommand(domain, 'guest-get-cpustats')) as Record<string, number>[];
  return Object.fromEntries(
    MODES.map((mode) => [mode, reply.reduce((sum, of) => sum + (of[mode] ?? 0), 0) / 1000]),
  );
}

async function directMeminfo(domain: string, key: string): Promise<number> {
  const text = await readGuestFile(domain, '/proc/meminfo');
  return Number(new RegExp(`^${key}: +(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024;
}

/** A scrape whose data of this guest was probed after the call, in full. */
async function freshlyProbed(domain: string): Promise<Exposition> {
  const calledAt = Date.now() / 1000;
  return exporter.scrapeUntil((seen) => {
    const ended = read(seen, 'probe_timestamp_seconds', domain) ?? 0;
    const took = read(seen, 'probe_duration_seconds', domain) ?? 0;
    return ended - took >= calledAt && answeredInFull(domain)(seen);
  }, BOOT_MS);
}

describe('a guest that swaps itself slow', () => {
  test('is found out: the declaration is a major release off, swap is in use, it is a Kubernetes node', async () => {
    // Whether it is a Kubernetes node is looked at last.
    const seen = await exporter.scrapeUntil(
      (each) => answeredInFull(THRASHING)(each) && read(each, 'kubernetes_node', THRASHING) !== undefined,
      BOOT_MS,
    );
    expect(driftOf(seen, THRASHING)).toBe('major_differs');
    expect(seen.labels('libvirt_domain_os_info', { domain: THRASHING })).toMatchObject({
      declared: 'http://ubuntu.com/ubuntu/18.04',
      detected: 'http://ubuntu.com/ubuntu/20.04',
      version_id: '20.04',
    });
    expect(read(seen, 'kubernetes_node', THRASHING)).toBe(1);
  });

  test(
    'CPU modes and swap are what the agent returns to a direct command',
    async () => {
      const before = await directCpuSeconds(THRASHING);
      const seen = await freshlyProbed(THRASHING);
      const after = await directCpuSeconds(THRASHING);
      for (const mode of MODES) {
        expect([mode, cpu(seen, THRASHING, mode) >= (before[mode] ?? 0)]).toEqual([mode, true]);
        expect([mode, cpu(seen, THRASHING, mode) <= (after[mode] ?? 0)]).toEqual([mode, true]);
      }
      expect(read(seen, 'swap_total_bytes', THRASHING)).toBe(await directMeminfo(THRASHING, 'SwapTotal'));
      // The guest fills its swap by a few MiB a second, and frees all of it now and then.
      const isUsedAlike = async (): Promise<true | undefined> => {
        const served = read(await freshlyProbed(THRASHING), 'swap_used_bytes', THRASHING) ?? Number.NaN;
        const used =
          (await directMeminfo(THRASHING, 'SwapTotal')) - (await directMeminfo(THRASHING, 'SwapFree'));
        return Math.abs(served - used) < 32 * 2 ** 20 ? true : undefined;
      };
      await waitFor(isUsedAlike, { what: 'the same swap in use by both ways', timeoutMs: BOOT_MS / 2 });
    },
    BOOT_MS,
  );

  test(
    'its iowait is above 0.2 of its CPU time over 20 s',
    async () => {
      const first = await freshlyProbed(THRASHING);
      const begun = read(first, 'probe_timestamp_seconds', THRASHING) ?? 0;
      const last = await exporter.scrapeUntil(
        (seen) => (read(seen, 'probe_timestamp_seconds', THRASHING) ?? 0) >= begun + 20,
        BOOT_MS,
      );
      const grown = (mode: string) => cpu(last, THRASHING, mode) - cpu(first, THRASHING, mode);
      const total = MODES.reduce((sum, mode) => sum + grown(mode), 0);
      expect(grown('iowait') / total).toBeGreaterThan(0.2);
    },
    BOOT_MS,
  );

  test('its balloon shows swap activity without an agent', async () => {
    const seen = await exporter.scrapeUntil(
      (later) => (later.value('libvirt_domain_balloon_swap_out_bytes_total', { domain: THRASHING }) ?? 0) > 0,
    );
    expect(
      seen.value('libvirt_domain_balloon_last_update_timestamp_seconds', { domain: THRASHING }),
    ).toBeGreaterThan(Date.now() / 1000 - 60);
  });
});

describe('a guest that is well', () => {
  test('has no swap, no drift and nothing missing but the balloon, whose period nobody set', async () => {
    const seen = await exporter.scrapeUntil(answered(CALM), BOOT_MS);
    expect(read(seen, 'swap_total_bytes', CALM)).toBe(0);
    expect(read(seen, 'swap_used_bytes', CALM)).toBe(0);
    expect(driftOf(seen, CALM)).toBe('match');
    expect(read(seen, 'kubernetes_node', CALM)).toBe(0);
    expect(missing(seen, CALM)).toEqual({ balloon: 'balloon_period_off' });
    const uptime = Date.now() / 1000 - (read(seen, 'boot_time_seconds', CALM) ?? 0);
    expect(uptime).toBeGreaterThan(0);
    expect(uptime).toBeLessThan(600);
  });

  test('while its QEMU is stopped it is not probed, which is no failure, and it is probed again afterwards', async () => {
    const errorsOf = (seen: Exposition): number =>
      seen
        .all('libvirt_domain_guest_probe_errors_total', { domain: CALM })
        .reduce((sum, { value }) => sum + value, 0);
    // The next probe is due an interval after this one.
    const before = await freshlyProbed(CALM);
    await stopQemu(CALM);
    try {
      await exporter.scrapeUntil(
        (seen) => seen.value('libvirt_domain_scrape_success', { domain: CALM }) === 0,
        BOOT_MS,
      );
      const stale = await exporter.scrapeUntil((seen) => missing(seen, CALM).cpu === 'busy', BOOT_MS);
      expect(read(stale, 'probe_timestamp_seconds', CALM)).toBe(
        read(before, 'probe_timestamp_seconds', CALM),
      );
      expect(errorsOf(stale)).toBe(errorsOf(before));
    } finally {
      await continueQemu(CALM);
    }
    expect(missing(await freshlyProbed(CALM), CALM).cpu).toBeUndefined();
  });

  test('a backup that freezes it is no failure: what it said stays, and it is probed again after the thaw', async () => {
    await freshlyProbed(CALM);
    await virsh(['domfsfreeze', CALM]);
    const frozen = { domain: CALM, reason: 'frozen' };
    const seen = await exporter.scrapeUntil(
      (later) => (later.value('libvirt_domain_guest_probe_errors_total', frozen) ?? 0) > 0,
    );
    expect(read(seen, 'agent_up', CALM)).toBe(1);
    expect(read(seen, 'swap_total_bytes', CALM)).toBe(0);
    await virsh(['domfsthaw', CALM]);
    await exporter.scrapeUntil((later) => missing(later, CALM).cpu === undefined && answered(CALM)(later));
  });

  test(
    'whose agent stalls with a file open for a probe, no file is open once it answers again',
    async () => {
      const silent = (seen: Exposition): number =>
        seen.value('libvirt_domain_guest_probe_errors_total', { domain: CALM, reason: 'agent_silent' }) ?? 0;
      const before = silent(await freshlyProbed(CALM));
      await stallAgentWithOpenFile(CALM, '/proc/meminfo', 12);
      await exporter.scrapeUntil((seen) => silent(seen) > before, BOOT_MS);
      await freshlyProbed(CALM);
      // Probes go on meanwhile: a file of theirs is open for milliseconds, one that is lost for ever.
      await waitFor(async () => ((await filesOpenInAgent(CALM)).length === 0 ? true : undefined), {
        what: 'all files to be closed',
        timeoutMs: 10_000,
        explain: async () => (await filesOpenInAgent(CALM)).join(),
      });
    },
    BOOT_MS,
  );

  test(
    'paused, it keeps what it said until that is too old, and is probed as soon as it goes on',
    async () => {
      await freshlyProbed(CALM);
      await virsh(['suspend', CALM]);
      try {
        const refused = (seen: Exposition) =>
          seen.value('libvirt_domain_guest_probe_errors_total', { domain: CALM, reason: 'busy' }) ?? 0;
        const before = refused(await exporter.scrape());
        const kept = await exporter.scrapeUntil((seen) => refused(seen) > before);
        expect(read(kept, 'swap_total_bytes', CALM)).toBe(0);
        const stale = await exporter.scrapeUntil((seen) => missing(seen, CALM).cpu === 'busy');
        expect(stale.value('libvirt_domain_state', { domain: CALM, state: 'paused' })).toBe(1);
        expect(read(stale, 'swap_total_bytes', CALM)).toBeUndefined();
        // So often that it would be probed much less often, were it taken for an agent that fails.
        await exporter.scrapeUntil((seen) => refused(seen) >= before + 8, BOOT_MS);
      } finally {
        await virsh(['resume', CALM]);
      }
      const resumed = performance.now();
      await exporter.scrapeUntil((seen) => answered(CALM)(seen) && missing(seen, CALM).cpu === undefined);
      expect(performance.now() - resumed).toBeLessThan(3_000);
    },
    BOOT_MS,
  );

  test(
    'whose agent is restarted, it is probed as soon as the new one is there',
    async () => {
      const seldom = await startExporterProcess('--guest.interval=60s', `--domain.include=${CALM}`);
      try {
        await seldom.scrapeUntil(answered(CALM));
        await guestShell(CALM, 'kill $(pidof qemu-ga)');
        await seldom.scrapeUntil((seen) => missing(seen, CALM).cpu === 'agent_disconnected');
        await waitForAgent(CALM);
        const connected = performance.now();
        const seen = await seldom.scrapeUntil(answered(CALM), 10_000);
        expect(performance.now() - connected).toBeLessThan(5_000);
        expect(missing(seen, CALM).cpu).toBeUndefined();
      } finally {
        await seldom.stop();
      }
    },
    BOOT_MS,
  );

  test(
    'without a read-write socket one warning is all: guest families say read_only, the rest is served',
    async () => {
      const directory = await mkdtemp(join(tmpdir(), 'rig-read-only-'));
      const socket = join(directory, 'libvirt-sock-ro');
      await symlink('/run/libvirt/libvirt-sock-ro', socket);
      const readOnly = await startExporterProcess(
        `--libvirt.uri=qemu+unix:///system?socket=${socket}`,
        '--guest.interval=1s',
      );
      try {
        const begun = Date.now();
        // Several intervals, each of which could have warned once more.
        const seen = await readOnly.scrapeUntil(
          (later) => Date.now() - begun > 5_000 && missing(later, CALM).cpu === 'read_only',
        );
        const { balloon, ...ofAgent } = missing(seen, CALM);
        expect(balloon).not.toBe('read_only');
        expect(ofAgent).toEqual(
          Object.fromEntries(
            ['os', 'cpu', 'swap', 'memory', 'pressure', 'load'].map((family) => [family, 'read_only']),
          ),
        );
        expect(read(seen, 'agent_up', CALM)).toBe(0);
        expect(driftOf(seen, CALM)).toBe('agent_unavailable');
        const isOfGuest = (name: string): boolean => name.startsWith('libvirt_domain_guest_');
        const namesOf = (all: Exposition): string[] =>
          [...new Set(all.samples.map(({ name }) => name))].sort();
        expect(namesOf(seen).filter(isOfGuest)).toEqual([
          'libvirt_domain_guest_agent_up',
          'libvirt_domain_guest_missing',
        ]);
        const others = namesOf(await exporter.scrape()).filter((name) => !isOfGuest(name));
        expect(namesOf(seen)).toEqual(expect.arrayContaining(others));
        const success = seen.all('libvirt_scrape_collector_success');
        expect(success.filter(({ value }) => value !== 1)).toEqual([]);
        const warnings = readOnly.log.filter(({ level }) => level !== 'info').map(({ msg }) => msg);
        expect(warnings).toEqual([
          'the read-write socket cannot be opened: values from inside guests are missing',
        ]);
      } finally {
        await readOnly.stop();
        await rm(directory, { recursive: true, force: true });
      }
    },
    BOOT_MS,
  );

  test('its owner can have it left alone, and probed again', async () => {
    const uri = 'https://github.com/libvirt-drift-exporter/ns/domain/1.0';
    await virsh([
      'metadata',
      CALM,
      '--uri',
      uri,
      '--key',
      'drift',
      '--set',
      '<guest probe="off"/>',
      '--live',
    ]);
    const off = await exporter.scrapeUntil((seen) => missing(seen, CALM).cpu === 'opted_out');
    expect(off.all('libvirt_domain_guest_cpu_seconds_total', { domain: CALM })).toEqual([]);
    expect(off.all('libvirt_domain_guest_agent_up', { domain: CALM })).toEqual([]);
    await virsh(['metadata', CALM, '--uri', uri, '--remove', '--live']);
    await exporter.scrapeUntil(answered(CALM));
  });
});

test(
  '--balloon.stats-period sets the period on running domains that have none, and on those alone',
  async () => {
    const setting = await startExporterProcess('--balloon.stats-period=2s', `--domain.include=${CALM}`);
    try {
      const fresh = (seen: Exposition) =>
        Date.now() / 1000 -
          (seen.value('libvirt_domain_balloon_last_update_timestamp_seconds', { domain: CALM }) ?? 0) <
        10;
      await setting.scrapeUntil((seen) => missing(seen, CALM).balloon === undefined && fresh(seen), BOOT_MS);
      expect(await virsh(['dumpxml', CALM])).toContain("<stats period='2'/>");
      expect(await virsh(['dumpxml', CALM, '--inactive'])).not.toContain('<stats period');
    } finally {
      await setting.stop();
    }
  },
  BOOT_MS,
);

test(
  'two dozen silent guests do not keep one that answers waiting for longer than an interval',
  async () => {
    const prefix = 'rig-test-guest-mute-';
    const intervalSeconds = 3;
    try {
      await startFleet(24, { prefix, agent: 'silent' });
      const silent = (seen: Exposition) =>
        seen.all('libvirt_domain_guest_probe_errors_total', { reason: 'agent_silent' }).length;
      let oldest = 0;
      await exporter.scrapeUntil((seen) => {
        const age = Date.now() / 1000 - (read(seen, 'probe_timestamp_seconds', CALM) ?? 0);
        oldest = Math.max(oldest, age);
        return silent(seen) >= 12;
      }, BOOT_MS);
      // One interval with its jitter, one tick, and the probe's own time.
      expect(oldest).toBeLessThan(2 * intervalSeconds);
    } finally {
      await cleanUp(prefix);
    }
  },
  BOOT_MS,
);

describe('guests that answer in part or not at all', () => {
  beforeAll(async () => {
    await destroyGuest(THRASHING);
    await Promise.all([
      linuxGuest({ name: FILTERED, os: 'rocky-9.4', memoryMiB: 128, agent: 'filtered' }).then(runGuest),
      linuxGuest({ name: OLD, os: 'debian-11', memoryMiB: 128, agent: 'old' }).then(runGuest),
      linuxGuest({ name: SILENT, os: 'debian-12', memoryMiB: 128, agent: 'silent' }).then(runGuest),
    ]);
    await Promise.all(SECOND.map((name) => waitForAgent(name, BOOT_MS)));
  }, BOOT_MS);

  test(
    'files forbidden: what cannot be known is absent, and says why',
    async () => {
      const seen = await exporter.scrapeUntil(answered(FILTERED), BOOT_MS);
      expect(seen.labels('libvirt_domain_os_info', { domain: FILTERED })?.detected).toBe(
        'http://rockylinux.org/rocky/9',
      );
      expect(cpu(seen, FILTERED, 'idle')).toBeGreaterThan(0);
      expect(read(seen, 'swap_total_bytes', FILTERED)).toBeUndefined();
      expect(read(seen, 'kubernetes_node', FILTERED)).toBeUndefined();
      expect(missing(seen, FILTERED)).toMatchObject({ swap: 'command_disabled', memory: 'command_disabled' });
      const refused = { domain: FILTERED, reason: 'command_disabled' };
      expect(seen.value('libvirt_domain_guest_probe_errors_total', refused)).toBeGreaterThan(0);
    },
    BOOT_MS,
  );

  test(
    'an old agent without cpustats: CPU time is read from /proc/stat',
    async () => {
      const seen = await exporter.scrapeUntil(answered(OLD), BOOT_MS);
      expect(seen.labels('libvirt_domain_os_info', { domain: OLD })?.detected).toBe(
        'http://debian.org/debian/11',
      );
      expect(cpu(seen, OLD, 'idle')).toBeGreaterThan(0);
      expect(read(seen, 'load1', OLD)).toBeGreaterThanOrEqual(0);
    },
    BOOT_MS,
  );

  test(
    'a silent agent is down, and keeps neither scrapes nor the others waiting',
    async () => {
      const silent = (seen: Exposition) =>
        read(seen, 'agent_up', SILENT) === 0 && missing(seen, SILENT).cpu === 'agent_silent';
      await exporter.scrapeUntil(silent, BOOT_MS);
      const begun = performance.now();
      const seen = await exporter.scrape();
      expect(performance.now() - begun).toBeLessThan(1_000);
      const age = Date.now() / 1000 - (read(seen, 'probe_timestamp_seconds', CALM) ?? 0);
      expect(age).toBeLessThan(2 * 3 + 5);
    },
    BOOT_MS,
  );
});

describe.each([
  ['text, sizes, ends and shapes', ['labels', 'huge', 'endless-file', 'wrong-shapes']],
  ['order, size and grammar', ['flapping', 'oversized', 'overflow', 'broken-json']],
] as const)('hostile guests: %s', (_, modes) => {
  const HOSTILE = modes.map((mode) => ({ mode, name: `rig-test-guest-hostile-${mode}` }));

  beforeAll(async () => {
    for (const name of SECOND) await destroyGuest(name);
    await Promise.all(
      HOSTILE.map(({ name, mode }) =>
        linuxGuest({ name, os: 'debian-12', memoryMiB: 128, agent: 'hostile', hostile: mode }).then(runGuest),
      ),
    );
    await Promise.all(HOSTILE.map(({ name }) => waitForAgent(name, BOOT_MS)));
  }, BOOT_MS);

  afterAll(async () => {
    for (const { name } of HOSTILE) {
      await destroyGuest(name);
      await undefineGuest(name);
    }
  }, BOOT_MS);

  test(
    'leave /metrics valid, quick and bounded, and the other guests fresh',
    async () => {
      const probed = (seen: Exposition) =>
        HOSTILE.every(
          ({ name }) =>
            read(seen, 'probe_timestamp_seconds', name) !== undefined ||
            seen.all('libvirt_domain_guest_probe_errors_total', { domain: name }).length > 0,
        );
      await exporter.scrapeUntil(probed, BOOT_MS);
      for (let scrape = 0; scrape < 5; scrape++) {
        const begun = performance.now();
        const text = await exporter.scrapeText();
        // Far from what an endless reply would take; how long a scrape takes is the benchmark's to say.
        expect(performance.now() - begun).toBeLessThan(1_000);
        expect(await promtoolCheckMetrics(text)).toBe('');
        const seen = await freshlyProbed(CALM);
        for (const { name } of HOSTILE) {
          const series = seen.samples.filter(({ labels }) => labels.domain === name);
          expect(series.length).toBeLessThan(160);
          expect(seen.all('libvirt_domain_os_info', { domain: name }).length).toBeLessThanOrEqual(1);
          expect(seen.value('libvirt_domain_scrape_success', { domain: name })).toBe(1);
          for (const { labels, value } of series) {
            expect(Number.isFinite(value) && value >= 0).toBe(true);
            for (const text of Object.values(labels)) expect([...text].length).toBeLessThanOrEqual(256);
          }
        }
      }
      expect(exporter.child.exitCode).toBeNull();
    },
    BOOT_MS,
  );

  test('were sent nothing but the commands on the list', async () => {
    const allowed = [
      'guest-sync',
      'guest-sync-delimited',
      'guest-info',
      'guest-get-osinfo',
      'guest-get-cpustats',
      'guest-get-load',
      'guest-file-open',
      'guest-file-read',
      'guest-file-close',
    ];
    for (const { name } of HOSTILE) {
      const requests = await agentRequests(name);
      expect(requests.length).toBeGreaterThan(0);
      expect(requests.map(({ command }) => command).filter((command) => !allowed.includes(command))).toEqual(
        [],
      );
    }
  });
});

describe('a guest that names other file systems, of other types, at each call', () => {
  const RENAMING = 'rig-test-guest-renaming';

  beforeAll(async () => {
    await runGuest(
      await linuxGuest({
        name: RENAMING,
        os: 'debian-12',
        memoryMiB: 128,
        agent: 'hostile',
        hostile: 'labels',
      }),
    );
    await waitForAgent(RENAMING, BOOT_MS);
  }, BOOT_MS);

  afterAll(async () => {
    await destroyGuest(RENAMING);
    await undefineGuest(RENAMING);
  }, BOOT_MS);

  test(
    'has a bounded number of series over time',
    async () => {
      const prober = await startExporterProcess(
        '--collector.guest-filesystem',
        '--guest.interval=1s',
        `--domain.include=${RENAMING}`,
      );
      try {
        const served = new Set<string>();
        const probes = new Set<number>();
        await prober.scrapeUntil((seen) => {
          const probed = read(seen, 'probe_timestamp_seconds', RENAMING);
          if (probed !== undefined) probes.add(probed);
          for (const { labels } of seen.all('libvirt_domain_guest_filesystem_size_bytes', {
            domain: RENAMING,
          }))
            served.add(JSON.stringify([labels.mountpoint, labels.fstype]));
          return probes.size >= 12;
        }, BOOT_MS);
        expect([...served].filter((series) => series.startsWith('["/",'))).toHaveLength(1);
        // Eleven at each of twelve calls would be more than what is kept.
        expect(served.size).toBe(64);
        expect(await promtoolCheckMetrics(await prober.scrapeText())).toBe('');
      } finally {
        await prober.stop();
      }
    },
    2 * BOOT_MS,
  );
});
