import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Exposition } from './exposition.ts';

/** Scrapes without a pause would take the processors that the guests need. */
const POLL_MS = 50;
export const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [key: string]: unknown;
}

/** The built exporter as a process, as its users run it. */
export interface ExporterProcess {
  readonly url: string;
  readonly child: ChildProcess;
  readonly log: readonly LogLine[];
  readonly scrapeText: (headers?: Readonly<Record<string, string>>) => Promise<string>;
  readonly scrape: (headers?: Readonly<Record<string, string>>) => Promise<Exposition>;
  /** Scrapes until the condition holds. */
  readonly scrapeUntil: (condition: (seen: Exposition) => boolean, timeoutMs?: number) => Promise<Exposition>;
  /** Sends SIGTERM and resolves with the exit code. */
  readonly stop: () => Promise<number | null>;
}

/** What to run, and as which user: this process's user when left out. */
export interface Program {
  readonly node: string;
  readonly main: string;
  /** A command line that runs the rest of the line. */
  readonly wrapper?: readonly [string, ...string[]];
  readonly uid?: number;
  readonly gid?: number;
}

/** Starts the exporter, on a free port unless the flags name one, and waits until it serves. */
export function startExporterProcess(...flags: readonly string[]): Promise<ExporterProcess> {
  return startProgram({ node: process.execPath, main: MAIN }, flags);
}

export async function startProgram(
  program: Program,
  flags: readonly string[] = [],
): Promise<ExporterProcess> {
  const { node, main, wrapper = [], uid = process.getuid?.(), gid = process.getgid?.() } = program;
  const listens = flags.some((flag) => flag.startsWith('--web.listen-address='));
  const address = listens ? [] : ['--web.listen-address=127.0.0.1:0'];
  const [command = node, ...words] = [...wrapper, node, main, ...address, ...flags];
  const child = spawn(command, words, {
    uid,
    gid,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const log: LogLine[] = [];
  const served = await new Promise<string>((resolve, reject) => {
    const lines = createInterface({ input: child.stderr });
    lines.on('line', (line) => {
      const entry: LogLine = line.startsWith('{') ? JSON.parse(line) : { level: 'stderr', msg: line };
      log.push(entry);
      if (entry.msg === 'serving') resolve(String((entry.addresses as string[])[0]));
    });
    void exited.then((code) =>
      reject(new Error(`exporter ended with ${code}: ${log.map(({ msg }) => msg).join('; ')}`)),
    );
  });
  const url = `http://${served}`;
  const scrapeText = async (headers = {}): Promise<string> => {
    const response = await fetch(`${url}/metrics`, { headers });
    if (response.status !== 200)
      throw new Error(`/metrics returned ${response.status}: ${await response.text()}`);
    return response.text();
  };
  const scrape = async (headers = {}): Promise<Exposition> => new Exposition(await scrapeText(headers));
  return {
    url,
    child,
    log,
    scrapeText,
    scrape,
    scrapeUntil: async (condition, timeoutMs = 30_000) => {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const seen = await scrape();
        if (condition(seen)) return seen;
        if (performance.now() > deadline) throw new Error(`not seen within ${timeoutMs} ms: ${condition}`);
        await setTimeout(POLL_MS);
      }
    },
    stop: async () => {
      child.kill('SIGTERM');
      return exited;
    },
  };
}
