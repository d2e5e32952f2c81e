import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../../testbed/wait.ts';
import { BUILDAH_ENV, buildah, buildahCommand, PACKAGING_DIR } from './buildah.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The part of an image's configuration that says how to run it. */
export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

export async function buildImage(name: string, buildArgs: Readonly<Record<string, string>>): Promise<void> {
  const downloads = join(PACKAGING_DIR, 'npm');
  await mkdir(downloads, { recursive: true });
  const named = Object.entries(buildArgs).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]);
  // The docker format: OCI's own has no health check.
  const how = ['--pull-never', '--format', 'docker', '--volume', `${downloads}:/root/.npm`];
  await buildah(['build', '--quiet', ...how, ...named, '--tag', name, ROOT], 300_000);
}

export async function imageConfig(name: string): Promise<ImageConfig> {
  const { Docker } = JSON.parse(await buildah(['inspect', '--type', 'image', name]));
  return Docker.config;
}

export interface RunningImage {
  /** The exporter's own process, seen from the host. */
  readonly pid: number;
  readonly output: () => string;
  /** Sends SIGTERM as `docker stop` does; resolves with the exit code, also after the end. */
  readonly stop: () => Promise<number | null>;
}

/** Starts the image's entry point, with folders of this host mounted at the same path. */
export async function runImage(
  container: string,
  config: ImageConfig,
  flags: readonly string[],
  folders: readonly string[] = ['/run/libvirt'],
): Promise<RunningImage> {
  const mounts = folders.flatMap((folder) => ['--volume', `${folder}:${folder}:ro`]);
  const [program, args] = buildahCommand(['run', ...mounts, container, '--', ...config.Entrypoint, ...flags]);
  const child = spawn(program, args, {
    env: { ...process.env, ...BUILDAH_ENV },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)));
  const output = (): string => text;
  try {
    const pid = await findProcess(child, [...config.Entrypoint, ...flags], output);
    const stop = (): Promise<number | null> => {
      if (child.exitCode === null) process.kill(pid, 'SIGTERM');
      return exited;
    };
    return { pid, output, stop };
  } catch (error) {
    child.kill();
    throw error;
  }
}

/** chroot isolation shows the host's processes. buildah's have the same command line and another binary. */
function findProcess(child: ChildProcess, command: readonly string[], output: () => string): Promise<number> {
  const wanted = `\0${command.slice(1).join('\0')}\0`;
  return waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`the container ended: ${output()}`);
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
        const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        if (!commandLine.endsWith(wanted)) continue;
        const binary = await readlink(`/proc/${pid}/exe`).catch(() => '');
        if (basename(binary) === 'node') return Number(pid);
      }
      return undefined;
    },
    { what: 'the exporter in its container', timeoutMs: 30_000, explain: async () => output() },
  );
}
