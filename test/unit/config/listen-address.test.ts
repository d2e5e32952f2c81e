import { describe, expect, test } from '@jest/globals';
import { parseListenAddress } from '../../../src/config/listen-address.ts';

describe('parseListenAddress', () => {
  test.each([
    [':9177', undefined, 9177],
    [':0', undefined, 0],
    [':65535', undefined, 65_535],
    ['127.0.0.1:9177', '127.0.0.1', 9177],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['localhost:9177', 'localhost', 9177],
    ['hv-1.example.org:9177', 'hv-1.example.org', 9177],
    ['[::1]:9177', '::1', 9177],
    ['[::]:9177', '::', 9177],
    ['[::ffff:10.0.0.1]:9177', '::ffff:10.0.0.1', 9177],
  ])('%s', (text, host, port) => {
    expect(parseListenAddress(text)).toEqual({ host, port });
  });

  test.each([
    [''],
    ['9177'],
    [':'],
    ['localhost'],
    ['localhost:'],
    [':65536'],
    [':99999'],
    [':123456'],
    [':-1'],
    [':9177 '],
    [':9177\n'],
    [':http'],
    ['::1:9177'],
    ['::1'],
    ['[]:9177'],
    ['[::1]'],
    ['[::1]9177'],
    ['[localhost]:9177'],
    ['a b:9177'],
    ['http://localhost:9177'],
    ['localhost:9177/metrics'],
    ['a:b:9177'],
  ])('%j is none', (text) => {
    expect(parseListenAddress(text)).toBeUndefined();
  });
});
