import { type Logger, type LoggerOptions, pino, stdTimeFunctions } from 'pino';
import type { ExporterConfig } from '../config/config.ts';
import { jsonLineToLogfmt } from './logfmt.ts';

/** A logger to standard error, one line an event, as JSON or logfmt. */
export function createLogger({ level, format }: ExporterConfig['log']): Logger {
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  return pino(options, {
    write: (line: string) => {
      process.stderr.write(format === 'logfmt' ? jsonLineToLogfmt(line) : line);
    },
  });
}
