import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { boundedArray, parseReply } from '../../../src/guest/json.ts';
import { anyText, anyValue, parsedOrRefused, reply } from './hostile.ts';

const LIMIT = 1024;
const numbers = boundedArray(z.object({ value: z.number() }), 3);
const parse = (text: string) => parseReply('guest-x', text, LIMIT, numbers);

describe('parseReply', () => {
  test('the return value', () => {
    expect(parse('{"return": [{"value": 1, "more": true}]}')).toEqual([{ value: 1 }]);
    expect(parse('{ "id": 7, "return" : [] }\n')).toEqual([]);
  });

  test.each([
    ['', 'guest-x: reply is not JSON'],
    ['{"return": [', 'guest-x: reply is not JSON'],
    ['{"return": NaN}', 'guest-x: reply is not JSON'],
    ['[]', 'guest-x: reply has no return value'],
    ['null', 'guest-x: reply has no return value'],
    ['{}', 'guest-x: reply has no return value'],
    ['{"error": {"class": "GenericError", "desc": "x"}}', 'guest-x: reply has no return value'],
    ['{"__proto__": {"return": []}}', 'guest-x: reply has no return value'],
    ['{"return": null}', 'guest-x: reply is not of the expected shape at return'],
    ['{"return": {"length": 1}}', 'guest-x: reply is not of the expected shape at return'],
    [
      '{"return": [{"value": 1}, {"value": "1"}]}',
      'guest-x: reply is not of the expected shape at return[1].value',
    ],
    ['{"return": [{}, {}, {}, {}]}', 'guest-x: reply is not of the expected shape at return'],
    [reply('x'.repeat(LIMIT)), 'guest-x: reply has 1037 characters, more than 1024'],
  ])('refuses %.60j', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });

  test('text that is too long is not parsed', () => {
    expect(() => parse('['.repeat(LIMIT + 1))).toThrow('reply has 1025 characters, more than 1024');
  });

  test.each([
    ['depth', '['.repeat(400_000) + ']'.repeat(400_000)],
    ['objects in depth', `${'{"":'.repeat(200_000)}1${'}'.repeat(200_000)}`],
    ['many arrays', `[${'[],'.repeat(300_000)}[]]`],
    ['a beginning', '['.repeat(1_000_000)],
  ])('nothing but brackets is not parsed: %s', (_, value) => {
    expect(() => parseReply('guest-x', `{"return": ${value}}`, 1024 * 1024, numbers)).toThrow(
      'reply has too many brackets',
    );
  });

  test('a few brackets more than it should have are no matter', () => {
    const nested = `{"return": ${'['.repeat(60)}${']'.repeat(60)}}`;
    expect(() => parse(nested)).toThrow('at return');
  });

  test('an array that is too long is refused by its length, without an issue for each item', () => {
    let looked = 0;
    const item = z.custom(() => ++looked > 0);
    const text = `{"return": [${'1,'.repeat(100_000)}1]}`;
    expect(() => parseReply('guest-x', text, 1024 * 1024, boundedArray(item, 1024))).toThrow('at return');
    expect(looked).toBe(0);
  });

  test('keys that name a prototype reach no prototype', () => {
    parse('{"__proto__": {"polluted": 1}, "return": [{"value": 1, "__proto__": {"polluted": 1}}]}');
    expect(Object.prototype).not.toHaveProperty('polluted');
  });

  test('never fails in another way', () => {
    fc.assert(fc.property(anyText, (text) => void parsedOrRefused(() => parse(text))));
    fc.assert(fc.property(anyValue, (value) => void parsedOrRefused(() => parse(JSON.stringify(value)))));
    fc.assert(fc.property(anyValue, (value) => void parsedOrRefused(() => parse(reply(value)))));
  });
});
