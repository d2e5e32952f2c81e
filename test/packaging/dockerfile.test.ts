import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startDaemon } from '../../testbed/daemon.ts';
import { destroyGuest, runGuest, undefineGuest } from '../../testbed/domains.ts';
import { Exposition } from '../../testbed/exposition.ts';
import { haltedGuest } from '../../testbed/halted-guest.ts';
import { freePort } from '../../testbed/monitoring/free-port.ts';
import { virshReadOnly } from '../../testbed/virsh.ts';
import { waitFor } from '../../testbed/wait.ts';
import { ensureBaseImage } from './base-image.ts';
import { buildah } from './buildah.ts';
import { buildImage, type ImageConfig, imageConfig, type RunningImage, runImage } from './image.ts';

const DOCKERFILE = fileURLToPath(new URL('../../Dockerfile', import.meta.url));
const IMAGE = 'localhost/libvirt-drift-exporter:test';
const GUEST = 'rig-test-image';
const NOBODY = 65_534;
const BUILD_ARGS = { VERSION: '9.8.7', REVISION: '0123456789ab', CREATED: '2026-01-02T03:04:05Z' };

describe('the image', () => {
  let config: ImageConfig;
  let container: string;
  let running: RunningImage | undefined;
  let url: string;

  const inside = (command: readonly string[], env: readonly string[] = []): Promise<string> =>
    buildah(['run', ...env, container, '--', ...command]);

  beforeAll(async () => {
    await startDaemon();
    const dockerfile = await readFile(DOCKERFILE, 'utf8');
    const bases = new Set([...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, name]) => name));
    const base = 'docker.io/library/node:24-trixie-slim';
    expect([...bases]).toEqual([base]);
    await ensureBaseImage(base);
    await buildImage(IMAGE, BUILD_ARGS);
    config = await imageConfig(IMAGE);
    container = await buildah(['from', '--pull-never', IMAGE]);
    await runGuest(haltedGuest(GUEST));
    ({ running, url } = await start());
  }, 900_000);

  async function start(...folders: readonly string[]): Promise<{ running: RunningImage; url: string }> {
    const address = `127.0.0.1:${await freePort()}`;
    const flags = [`--web.listen-address=${address}`];
    const started = await runImage(container, config, flags, ['/run/libvirt', ...folders]);
    const ready = (): Promise<true | undefined> =>
      fetch(`http://${address}/-/ready`).then(
        ({ ok }) => (ok ? true : undefined),
        () => undefined,
      );
    await waitFor(ready, {
      what: 'the exporter to reach libvirt',
      timeoutMs: 30_000,
      explain: async () => started.output(),
    });
    return { running: started, url: `http://${address}` };
  }

  async function scrape(from: string): Promise<Exposition> {
    const response = await fetch(`${from}/metrics`);
    expect(response.status).toBe(200);
    return new Exposition(await response.text());
  }

  afterAll(async () => {
    await running?.stop();
    await destroyGuest(GUEST);
    await undefineGuest(GUEST);
    await buildah(['rm', '--all']);
    await buildah(['rmi', '--force', IMAGE]);
  });

  test('serves what the mounted libvirt reports', async () => {
    const seen = await scrape(url);
    expect(seen.value('libvirt_up')).toBe(1);
    expect(seen.labels('libvirt_hypervisor_info')).toMatchObject({ driver: 'QEMU' });
    expect(seen.labels('libvirt_exporter_build_info')).toMatchObject({ revision: BUILD_ARGS.REVISION });
  });

  test("sees the host's processes, and with the emulators' folder whether a QEMU is outdated", async () => {
    const seen = await scrape(url);
    expect(seen.value('libvirt_domain_start_time_seconds', { domain: GUEST })).toBeGreaterThan(1_700_000_000);
    expect(seen.value('libvirt_domain_qemu_outdated', { domain: GUEST })).toBeUndefined();
    const more = await start('/usr/bin');
    try {
      const all = await scrape(more.url);
      expect(all.value('libvirt_domain_qemu_outdated', { domain: GUEST })).toBe(0);
    } finally {
      await more.running.stop();
    }
  });

  test('runs as a user without rights, which the host knows', async () => {
    const status = await readFile(`/proc/${running?.pid}/status`, 'utf8');
    expect(/^Uid:\s+(.*)$/m.exec(status)?.[1]?.split('\t')).toEqual(Array(4).fill(String(NOBODY)));
    expect(/^Gid:\s+(.*)$/m.exec(status)?.[1]?.split('\t')).toEqual(Array(4).fill(String(NOBODY)));
    // Numeric: Kubernetes' runAsNonRoot refuses names.
    expect(config.User).toBe(`${NOBODY}:${NOBODY}`);
    expect(await readFile('/etc/passwd', 'utf8')).toContain(`:${NOBODY}:`);
  });

  test('its health check passes with an exporter that serves, and fails otherwise', async () => {
    const [kind, ...command] = config.Healthcheck.Test;
    expect(kind).toBe('CMD');
    expect(config.Env).toContain('HEALTH_URL=http://127.0.0.1:9177/-/healthy');
    await inside(command, ['--env', `HEALTH_URL=${url}/-/healthy`]);
    await expect(inside(command, ['--env', 'HEALTH_URL=http://127.0.0.1:1/'])).rejects.toThrow(
      /exit status 1/,
    );
    await expect(inside(command, ['--env', `HEALTH_URL=${url}/nothing`])).rejects.toThrow(/exit status 1/);
  });

  test('says what it was made from', () => {
    expect(config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'libvirt-drift-exporter',
      'org.opencontainers.image.licenses': 'Apache-2.0',
      'org.opencontainers.image.version': BUILD_ARGS.VERSION,
      'org.opencontainers.image.revision': BUILD_ARGS.REVISION,
      'org.opencontainers.image.created': BUILD_ARGS.CREATED,
    });
  });

  test('holds the program and what it needs to run, and no more', async () => {
    const home = '/opt/libvirt-drift-exporter';
    const list = async (path: string): Promise<string[]> =>
      (await inside(['ls', '-A', path])).split('\n').sort();
    expect(await list(home)).toEqual(['LICENSE', 'NOTICE', 'dist', 'node_modules', 'package.json']);
    const packages = await list(`${home}/node_modules`);
    const { dependencies, devDependencies } = JSON.parse(await inside(['cat', `${home}/package.json`]));
    for (const name of Object.keys(dependencies)) expect(packages).toContain(name);
    for (const name of Object.keys(devDependencies)) expect(packages).not.toContain(name.split('/')[0]);
  });

  // Last: it ends the exporter.
  test('stops at SIGTERM at once, and leaves the host as it was', async () => {
    expect(await running?.stop()).toBe(0);
    expect(await virshReadOnly(['version'])).toContain('QEMU');
  });
});
