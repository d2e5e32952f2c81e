import { readdir, readlink } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { destroyGuest, startGuest } from '../../testbed/domains.ts';
import { startExporterProcess } from '../../testbed/exporter-process.ts';
import { startFleet } from '../../testbed/fleet.ts';
import { residentMb } from '../bench/process-usage.ts';

export interface SoakOptions {
  readonly seconds: number;
  /** Pause between scrapes. */
  readonly everyMs: number;
  readonly domains: number;
  readonly prefix: string;
  readonly onSample?: (sample: Sample, second: number) => void;
}

/** What the exporter's process holds at one moment. */
interface Sample {
  readonly residentMb: number;
  readonly descriptors: number;
  readonly sockets: number;
}

export interface SoakResult {
  readonly scrapes: number;
  /** Domains that were stopped and started while scrapes ran. */
  readonly restarts: number;
  /** Means over the second and over the last quarter: the first warms up. */
  readonly second: Sample;
  readonly last: Sample;
  readonly exitCode: number | null;
}

/** Scrapes a fleet on and on while its domains stop and start, and watches what the exporter holds. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { seconds, everyMs, domains, prefix, onSample } = options;
  const { names } = await startFleet(domains, { prefix });
  const exporter = await startExporterProcess(`--domain.include=${prefix}.*`, '--guest.interval=2s');
  const pid = exporter.child.pid ?? 0;
  const begun = performance.now();
  const secondsPassed = (): number => (performance.now() - begun) / 1000;
  const isOver = (): boolean => secondsPassed() >= seconds;
  const samples: { readonly at: number; readonly sample: Sample }[] = [];
  let scrapes = 0;
  let restarts = 0;
  const churn = async (): Promise<void> => {
    while (!isOver()) {
      const name = names[restarts % names.length] ?? '';
      await destroyGuest(name);
      await startGuest(name);
      restarts += 1;
    }
  };
  const scrape = async (): Promise<void> => {
    while (!isOver()) {
      const next = performance.now() + everyMs;
      await exporter.scrapeText();
      scrapes += 1;
      const sample = await sampleOf(pid);
      samples.push({ at: secondsPassed() / seconds, sample });
      onSample?.(sample, secondsPassed());
      await setTimeout(Math.max(0, next - performance.now()));
    }
  };
  await Promise.all([churn(), scrape()]);
  const exitCode = await exporter.stop();
  const between = (from: number, to: number): Sample[] =>
    samples.filter(({ at }) => at >= from && at < to).map(({ sample }) => sample);
  return { scrapes, restarts, second: meanOf(between(0.25, 0.5)), last: meanOf(between(0.75, 1)), exitCode };
}

async function sampleOf(pid: number): Promise<Sample> {
  const directory = `/proc/${pid}/fd`;
  const descriptors = await readdir(directory);
  const targets = await Promise.all(
    descriptors.map((descriptor) => readlink(`${directory}/${descriptor}`).catch(() => '')),
  );
  return {
    residentMb: await residentMb(pid),
    descriptors: descriptors.length,
    sockets: targets.filter((target) => target.startsWith('socket:')).length,
  };
}

function meanOf(samples: readonly Sample[]): Sample {
  const mean = (of: (sample: Sample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  return {
    residentMb: mean(({ residentMb }) => residentMb),
    descriptors: mean(({ descriptors }) => descriptors),
    sockets: mean(({ sockets }) => sockets),
  };
}

/** What grew, in words; nothing when all is well. */
export function growth({ second, last }: SoakResult): string[] {
  const grown: string[] = [];
  const check = (what: keyof Sample, allowed: number): void => {
    if (last[what] > second[what] + allowed)
      grown.push(`${what}: ${second[what].toFixed(1)}, then ${last[what].toFixed(1)}`);
  };
  // Memory settles as V8 likes; descriptors differ by the scrapes that are under way.
  check('residentMb', Math.max(8, 0.1 * second.residentMb));
  check('descriptors', 2);
  check('sockets', 2);
  return grown;
}
