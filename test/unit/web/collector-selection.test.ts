import { describe, expect, test } from '@jest/globals';
import { SelectionError, selectCollectors } from '../../../src/web/collector-selection.ts';

const ENABLED = ['a', 'b', 'c'];

function selected(query: string): string[] {
  return ENABLED.filter(selectCollectors(new URLSearchParams(query), ENABLED));
}

describe('selectCollectors', () => {
  test.each([
    ['', ['a', 'b', 'c']],
    ['collect[]=b', ['b']],
    ['collect[]=c&collect[]=a', ['a', 'c']],
    ['collect[]=a&collect[]=a', ['a']],
    ['collect%5B%5D=b', ['b']],
    ['exclude[]=b', ['a', 'c']],
    ['exclude[]=a&exclude[]=b&exclude[]=c', []],
    ['collect=b', ['a', 'b', 'c']],
    ['other[]=x', ['a', 'b', 'c']],
  ])('%j', (query, names) => {
    expect(selected(query)).toEqual(names);
  });

  test.each([
    ['collect[]=a&exclude[]=b', /combined/],
    ['collect[]=', /""/],
    ['collect[]=d', /"d"/],
    ['collect[]=A', /"A"/],
    ['collect[]=a&collect[]=d', /"d"/],
    ['exclude[]=d', /"d"/],
    ['exclude[]=__proto__', /"__proto__"/],
    ['collect[]=a%0Ab', /"a\\nb"/],
    ['collect[]=%FF', /"\ufffd"/],
  ])('%j is refused', (query, message) => {
    expect(() => selected(query)).toThrow(SelectionError);
    expect(() => selected(query)).toThrow(message);
  });

  test('a long name is not repeated whole', () => {
    expect(() => selected(`collect[]=${'x'.repeat(5_000)}`)).toThrow(
      expect.objectContaining({ message: expect.not.stringMatching(/.{200}/) }),
    );
  });
});
