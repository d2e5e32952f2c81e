import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { COLLECTORS } from './collectors/all.ts';
import type { BuildInfo } from './collectors/build-info.ts';
import { type CommandLine, ConfigError, type ExporterConfig, parseCommandLine } from './config/config.ts';
import { formatHelp } from './config/flags.ts';
import { type Exporter, startExporter } from './exporter.ts';
import { LibvirtUriError } from './libvirt/errors.ts';
import { resolveUri } from './libvirt/uri.ts';
import { createLogger } from './log/logger.ts';

function readBuildInfo(): BuildInfo {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return { version: String(version), revision: readRevision() };
}

/** `npm run build` writes the commit beside the program; a checkout run from source has none. */
function readRevision(): string {
  try {
    return readFileSync(new URL('./REVISION', import.meta.url), 'utf8').trim();
  } catch {
    return '';
  }
}

function parseOrExit(): CommandLine {
  try {
    const commandLine = parseCommandLine(process.argv.slice(2), COLLECTORS);
    if ('config' in commandLine)
      resolveUri(commandLine.config.libvirt.uri, { uid: process.getuid?.() ?? -1 });
    return commandLine;
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof LibvirtUriError)) throw error;
    console.error(`libvirt-drift-exporter: ${error.message}`);
    process.exit(1);
  }
}

async function run(config: ExporterConfig, build: BuildInfo): Promise<void> {
  const log = createLogger(config.log);
  let exporter: Exporter | undefined;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    log.info({ signal }, 'stopping');
    await exporter?.stop();
    process.exit(0);
  };
  // Installed first, because a signal may arrive while the exporter starts.
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  try {
    exporter = await startExporter(config, build, log);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`libvirt-drift-exporter: ${message}`);
    process.exit(1);
  }
  const addresses = exporter.servers.map((server) => formatAddress(server.address() as AddressInfo));
  log.info({ ...build, addresses, path: config.web.telemetryPath }, 'serving');
}

function formatAddress({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Runs the program: parses the command line, then prints what it requests or serves metrics. */
export async function main(): Promise<void> {
  const build = readBuildInfo();
  const commandLine = parseOrExit();
  switch (commandLine.action) {
    case 'help':
      console.log(formatHelp(COLLECTORS));
      break;
    case 'version':
      console.log(`libvirt-drift-exporter ${build.version} (Node.js ${process.versions.node})`);
      break;
    case 'check':
      console.log('the command line is good');
      break;
    case 'run':
      await run(commandLine.config, build);
  }
}
