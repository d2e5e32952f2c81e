import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { waitFor } from '../wait.ts';
import { freePort } from './free-port.ts';
import { copyRulesShortened } from './shortened-rules.ts';
import { startWebhook, type Webhook, type WebhookAlert } from './webhook.ts';

interface MonitoringOptions {
  /** HOST:PORT of the exporter. */
  readonly target: string;
  /** Replaces `for` of every alert, a duration such as `15s`: the shipped ones are minutes. */
  readonly alertAfter: string;
  readonly prometheusPort?: number;
  readonly alertmanagerPort?: number;
  /** Adds jobs that are not the exporter's: Prometheus' own, and one whose target is down. */
  readonly otherJobs?: boolean;
  readonly onAlert?: (alert: WebhookAlert) => void;
  /** Ends the start. */
  readonly signal?: AbortSignal;
}

/** One series of an instant query's result. */
interface QueriedSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A real Prometheus with the shipped rules, and a real Alertmanager that notifies a webhook. */
export interface Monitoring {
  readonly prometheusUrl: string;
  /** The page of alerts. Debian's Prometheus has only the classic user interface. */
  readonly alertsUrl: string;
  readonly alertmanagerUrl: string;
  readonly webhook: Webhook;
  /** Instant query; rejects with Prometheus' message when Prometheus refuses the query. */
  readonly query: (query: string) => Promise<QueriedSample[]>;
  readonly stop: () => Promise<void>;
}

const READY_MS = 60_000;

export async function startMonitoring(options: MonitoringOptions): Promise<Monitoring> {
  const folder = await mkdtemp(join(tmpdir(), 'libvirt-drift-monitoring-'));
  const webhook = await startWebhook(await freePort(), options.onAlert);
  const prometheusPort = options.prometheusPort ?? (await freePort());
  const alertmanagerPort = options.alertmanagerPort ?? (await freePort());
  const children: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(endProcess));
    await webhook.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await copyRulesShortened(`${folder}/rules`, options.alertAfter);
    await writeFile(`${folder}/alertmanager.yml`, alertmanagerConfig(webhook.url));
    const others = options.otherJobs === true ? otherJobs(prometheusPort, await freePort()) : [];
    await writeFile(
      `${folder}/prometheus.yml`,
      prometheusConfig([job('libvirt', options.target), ...others], alertmanagerPort),
    );
    children.push(
      await start(folder, 'prometheus-alertmanager', [
        `--config.file=${folder}/alertmanager.yml`,
        `--storage.path=${folder}/alertmanager`,
        `--web.listen-address=127.0.0.1:${alertmanagerPort}`,
        '--cluster.listen-address=',
      ]),
      await start(folder, 'prometheus', [
        `--config.file=${folder}/prometheus.yml`,
        `--storage.tsdb.path=${folder}/prometheus`,
        `--web.listen-address=127.0.0.1:${prometheusPort}`,
      ]),
    );
    const prometheusUrl = `http://127.0.0.1:${prometheusPort}`;
    const alertmanagerUrl = `http://127.0.0.1:${alertmanagerPort}`;
    for (const url of [prometheusUrl, alertmanagerUrl]) await waitUntilReady(url, folder, options.signal);
    const { ok } = await fetch(`${prometheusUrl}/alerts`);
    const alertsUrl = `${prometheusUrl}${ok ? '' : '/classic'}/alerts`;
    return {
      prometheusUrl,
      alertsUrl,
      alertmanagerUrl,
      webhook,
      query: (query) => queryAt(prometheusUrl, query),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface ScrapeConfig {
  readonly job_name: string;
  readonly static_configs: readonly { readonly targets: readonly string[] }[];
}

function job(name: string, target: string): ScrapeConfig {
  return { job_name: name, static_configs: [{ targets: [target] }] };
}

function otherJobs(prometheusPort: number, unusedPort: number): ScrapeConfig[] {
  return [job('prometheus', `127.0.0.1:${prometheusPort}`), job('gone', `127.0.0.1:${unusedPort}`)];
}

function prometheusConfig(jobs: readonly ScrapeConfig[], alertmanagerPort: number): string {
  return stringify({
    global: { scrape_interval: '2s', scrape_timeout: '2s', evaluation_interval: '2s' },
    rule_files: ['rules/*.yaml'],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertmanagerPort}`] }] }] },
    scrape_configs: jobs,
  });
}

function alertmanagerConfig(url: string): string {
  return stringify({
    route: {
      receiver: 'test',
      group_by: ['...'],
      group_wait: '1s',
      group_interval: '1s',
      repeat_interval: '1h',
    },
    receivers: [{ name: 'test', webhook_configs: [{ url, send_resolved: true }] }],
  });
}

async function start(folder: string, program: string, args: readonly string[]): Promise<ChildProcess> {
  await mkdir(folder, { recursive: true });
  const log = await open(`${folder}/${program}.log`, 'a');
  const child = spawn(program, [...args], { stdio: ['ignore', log.fd, log.fd], cwd: folder });
  child.once('error', () => undefined); // `waitUntilReady` reports it
  child.once('spawn', () => void log.close());
  return child;
}

async function waitUntilReady(url: string, folder: string, signal?: AbortSignal): Promise<void> {
  await waitFor(
    async () => {
      const response = await fetch(`${url}/-/ready`).catch(() => undefined);
      return response?.ok === true ? true : undefined;
    },
    {
      what: `${url} to be ready`,
      timeoutMs: READY_MS,
      signal,
      explain: async () => {
        const logs = ['prometheus', 'prometheus-alertmanager'].map((program) =>
          readFile(`${folder}/${program}.log`, 'utf8').catch(() => `${program}: no log`),
        );
        return (await Promise.all(logs)).map((log) => log.slice(-2_000)).join('\n');
      },
    },
  );
}

async function queryAt(url: string, query: string): Promise<QueriedSample[]> {
  const response = await fetch(`${url}/api/v1/query`, {
    method: 'POST',
    body: new URLSearchParams({ query }),
  });
  const answer = (await response.json()) as {
    error?: string;
    data?: { resultType: string; result: { metric: Record<string, string>; value: [number, string] }[] };
  };
  if (answer.data === undefined) throw new Error(`${answer.error}: ${query}`);
  if (answer.data.resultType !== 'vector') throw new Error(`not a vector: ${query}`);
  return answer.data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exited;
  clearTimeout(kill);
}
