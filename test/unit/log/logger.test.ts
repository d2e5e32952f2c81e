import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { createLogger } from '../../../src/log/logger.ts';

const written: string[] = [];
const stderr = jest.spyOn(process.stderr, 'write');

function capture(): void {
  stderr.mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
}

afterEach(() => {
  written.length = 0;
  stderr.mockReset();
});

describe('createLogger', () => {
  test('json: one object a line, with level by name and the time', () => {
    capture();
    createLogger({ level: 'info', format: 'json' }).info({ port: 1 }, 'serving\nnow');
    expect(written).toHaveLength(1);
    const [line = ''] = written;
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(JSON.parse(line)).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      port: 1,
      msg: 'serving\nnow',
    });
  });

  test('logfmt: the same in one line, an error with its stack and cause too', () => {
    capture();
    const err = new Error('went wrong', { cause: new Error('for a "reason"') });
    createLogger({ level: 'info', format: 'logfmt' }).error({ err }, 'request failed');
    expect(written).toHaveLength(1);
    const [line = ''] = written;
    expect(line).toMatch(/^level=error time=\S+Z err\.type=Error err\.message="went wrong/);
    expect(line).toContain('for a \\"reason\\"');
    expect(line).toContain('msg="request failed"');
    expect(line.indexOf('\n')).toBe(line.length - 1);
  });

  test.each([
    ['debug', ['debug', 'info', 'warn', 'error']],
    ['info', ['info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['error', ['error']],
  ] as const)('level %s lets through %j', (level, passing) => {
    capture();
    const log = createLogger({ level, format: 'json' });
    for (const name of ['debug', 'info', 'warn', 'error'] as const) log[name]('event');
    expect(written.map((line) => JSON.parse(line).level)).toEqual(passing);
  });
});
