import { describe, expect, test } from '@jest/globals';
import { COLLECTORS } from '../../../src/collectors/all.ts';
import { FLAGS, formatHelp } from '../../../src/config/flags.ts';

const help = formatHelp(COLLECTORS);

function lineOf(start: string): string {
  const found = help.split('\n').filter((line) => line.trimStart().startsWith(start));
  expect(found).toHaveLength(1);
  return found[0] ?? '';
}

describe('--help', () => {
  test.each([
    ['--web.listen-address=', ':9177'],
    ['--web.telemetry-path=', '/metrics'],
    ['--libvirt.uri=', 'qemu:///system'],
    ['--libvirt.timeout=', '5s'],
    ['--domain.include=', '.*'],
    ['--log.level=', 'info'],
    ['--log.format=', 'json'],
  ])('%s shows its default', (flag, byDefault) => {
    expect(lineOf(flag)).toMatch(new RegExp(`Default: ${byDefault.replaceAll(/[.*?/]/g, '\\$&')}$`));
  });

  test.each([
    ['--domain.exclude=REGEX'],
    ['--collector.disable-defaults'],
    ['--config.check'],
    ['--version'],
    ['--help'],
  ])('%s has none', (flag) => {
    expect(lineOf(flag)).not.toContain('Default:');
  });

  test.each(FLAGS.map(({ name, help: text }) => [name, text] as const))('lists --%s', (name, text) => {
    expect(lineOf(`--${name}`)).toContain(text);
  });

  test.each(
    COLLECTORS.map(({ name, help: text, enabledByDefault }) => [name, text, enabledByDefault] as const),
  )('lists the collector %s', (name, text, enabledByDefault) => {
    const line = lineOf(`--${enabledByDefault ? 'no-' : ''}collector.${name}`);
    expect(line).toContain(enabledByDefault ? `Leave out: ${text}` : `Add: ${text}`);
  });

  test('aligns what it explains', () => {
    const columns = FLAGS.map(({ name, help: text }) => lineOf(`--${name}`).indexOf(text));
    expect(new Set(columns).size).toBe(1);
    expect(columns).not.toContain(-1);
  });

  test('a collector that is off by default is to be added', () => {
    const [row] = formatHelp([{ name: 'x', help: 'this', enabledByDefault: false }])
      .split('\n')
      .slice(-1);
    expect(row).toBe('  --collector.x  Add: this');
  });
});
