import { access, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from '@jest/globals';
import { parse } from 'yaml';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const COMPOSE = join(ROOT, 'deploy/compose/compose.yaml');
/** An error where it is unset, so that no default password is ever in use. */
const REQUIRED = /^\$\{GRAFANA_ADMIN_PASSWORD:\?.+\}$/;

interface Mount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** SELinux: the label that lets containers read it is put on it. */
  readonly shared: boolean;
}
interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly args: Readonly<Record<string, string>> };
  readonly user?: string;
  readonly privileged?: boolean;
  readonly ports: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly volumes: readonly (
    | string
    | { readonly source: string; readonly target: string; readonly read_only?: boolean }
  )[];
}

let services: Readonly<Record<string, Service>>;
let volumes: Readonly<Record<string, unknown>>;

beforeAll(async () => {
  ({ services, volumes } = parse(await readFile(COMPOSE, 'utf8')));
});

function mounts({ volumes: listed }: Service): Mount[] {
  return listed.map((volume) => {
    if (typeof volume !== 'string') return { ...volume, readOnly: volume.read_only === true, shared: false };
    const [source = '', target = '', mode = ''] = volume.split(':');
    const modes = mode.split(',');
    return { source, target, readOnly: modes.includes('ro'), shared: modes.includes('z') };
  });
}

test('starts the exporter, Prometheus, Alertmanager and Grafana', () => {
  expect(Object.keys(services)).toEqual(['exporter', 'prometheus', 'alertmanager', 'grafana']);
});

test('every image is pinned to a release', async () => {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  for (const { image } of Object.values(services)) expect(image).toMatch(/:v?\d+\.\d+\.\d+$/);
  expect(services.exporter?.image).toBe(`libvirt-drift-exporter:${version}`);
});

test('the exporter is built from this repository, with arguments that its Dockerfile has', async () => {
  const build = services.exporter?.build;
  expect(join(dirname(COMPOSE), build?.context ?? '', '/')).toBe(ROOT);
  const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
  for (const name of Object.keys(build?.args ?? {})) expect(dockerfile).toContain(`ARG ${name}=`);
});

test('what is mounted is there, cannot be written to, or is a volume that is declared', async () => {
  for (const service of Object.values(services)) {
    for (const { source, readOnly, shared } of mounts(service)) {
      if (!source.startsWith('.') && !source.startsWith('/')) {
        expect(Object.keys(volumes)).toContain(source);
        continue;
      }
      expect(readOnly).toBe(true);
      // Never on a directory of the host: what else uses it would lose it.
      expect(shared).toBe(source.startsWith('.'));
      if (source.startsWith('/')) continue;
      const path = join(dirname(COMPOSE), source);
      expect(relative(ROOT, path)).not.toMatch(/^\.\./);
      await access(path);
    }
  }
});

test('nothing of the host is mounted but the directory of its libvirt', () => {
  const ofHost = Object.values(services).flatMap((service) =>
    mounts(service).filter(({ source }) => source.startsWith('/')),
  );
  expect(ofHost).toMatchObject([{ source: '/run/libvirt', target: '/run/libvirt', readOnly: true }]);
});

test('listens on loopback alone, without privileges', () => {
  for (const service of Object.values(services)) {
    for (const port of service.ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    expect(service).not.toHaveProperty('network_mode');
    expect(service.privileged).toBeUndefined();
    expect(service.user).toBeUndefined();
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.security_opt).toContain('no-new-privileges:true');
  }
});

test('every service has a health check, the exporter that of its image', () => {
  const { exporter, ...others } = services;
  expect(exporter?.healthcheck).toBeUndefined();
  for (const { healthcheck } of Object.values(others)) expect(healthcheck?.test[0]).toBe('CMD');
});

test('Grafana has no password but the one that was chosen', () => {
  expect(services.grafana?.environment?.GF_SECURITY_ADMIN_PASSWORD).toMatch(REQUIRED);
});

test('its Prometheus is configured as the example, but for where the others are', async () => {
  const read = async (path: string): Promise<unknown> => parse(await readFile(join(ROOT, path), 'utf8'));
  const example = JSON.stringify(await read('deploy/prometheus/prometheus.yml'));
  const ofServices = example
    .replace('localhost:9093', 'alertmanager:9093')
    .replace('localhost:9177', 'exporter:9177');
  expect(await read('deploy/compose/prometheus.yml')).toEqual(JSON.parse(ofServices));
});
