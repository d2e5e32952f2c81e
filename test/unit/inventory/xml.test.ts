import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  attribute,
  child,
  children,
  MAX_XML_DEPTH,
  MAX_XML_LENGTH,
  parseXml,
  XmlError,
} from '../../../src/inventory/xml.ts';

function failureOf(text: string): XmlError {
  try {
    parseXml(text);
  } catch (error) {
    if (error instanceof XmlError) return error;
    throw error;
  }
  throw new Error(`parsed: ${text.slice(0, 80)}`);
}

describe('parseXml', () => {
  test('gives names, attributes, children and text in document order', () => {
    const root = parseXml(`<?xml version="1.0"?>\n<a k='v'> x <b n="1"/><c/><b n='2'>y</b></a>\n`);
    expect(root.name).toBe('a');
    expect(root.text).toBe('x');
    expect([...root.attributes]).toEqual([['k', 'v']]);
    expect(root.children.map((it) => it.name)).toEqual(['b', 'c', 'b']);
    expect(children(root, 'b').map((it) => attribute(it, 'n'))).toEqual(['1', '2']);
    expect(child(root, 'b')?.text).toBe('');
    expect(child(root, 'nothing')).toBeUndefined();
    expect(attribute(child(root, 'nothing'), 'n')).toBeUndefined();
    expect(children(undefined, 'b')).toEqual([]);
  });

  test.each([
    ['named entities', '&lt;&gt;&amp;&quot;&apos;', `<>&"'`],
    ['decimal and hexadecimal references', 'a&#10;b&#x41;&#128512;&#x1F600;', 'a\nbA😀😀'],
    ['an escaped escape once', '&amp;lt;', '&lt;'],
  ])('decodes %s in text and attributes', (_what, written, meant) => {
    const root = parseXml(`<a b="${written}">${written}</a>`);
    expect(root.text).toBe(meant);
    expect(attribute(root, 'b')).toBe(meant);
  });

  test('takes CDATA as text, leaves comments and processing instructions out', () => {
    expect(parseXml('<a>x<!-- no --> y<![CDATA[<!DOCTYPE z> &amp;]]><?pi k="v"?>!</a>').text).toBe(
      'x y<!DOCTYPE z> &amp;!',
    );
  });

  test('keeps numbers as they are written, and spaces within attributes', () => {
    const root = parseXml(`<a b=' 007 '>0x10</a>`);
    expect(root.text).toBe('0x10');
    expect(attribute(root, 'b')).toBe(' 007 ');
  });

  test('decodes more entities than any limit of the parser, in a real size of document', () => {
    const disk = `<source file='/images/&quot;${'&amp;'.repeat(200)}&quot;.img'/>`;
    expect(parseXml(`<a>${disk.repeat(300)}</a>`).children).toHaveLength(300);
  });

  test.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])(
    'takes %s as the name of an element and of an attribute like any other',
    (name) => {
      const root = parseXml(`<a ${name}="1"><${name}/><${name} x="2">t</${name}></a>`);
      expect(attribute(root, name)).toBe('1');
      expect(root.children.map((it) => it.name)).toEqual([name, name]);
      expect(attribute(root.children[1], 'x')).toBe('2');
      expect(attribute(root, 'valueOf')).toBeUndefined();
    },
  );
});

describe('namespaces', () => {
  test.each([
    ['a prefix declared on the element', '<r><p:os xmlns:p="urn:x" id="1"/></r>'],
    ['a prefix declared on an ancestor', '<r xmlns:q="urn:x"><q:os id="1"/></r>'],
    ['a default namespace on the element', '<r><os xmlns="urn:x" id="1"/></r>'],
    ['a prefix declared anew', '<r xmlns:p="urn:other"><p:os xmlns:p="urn:x" id="1"/></r>'],
  ])('finds an element by URI: %s', (_what, text) => {
    const root = parseXml(text);
    expect(attribute(child(root, 'os', 'urn:x'), 'id')).toBe('1');
    expect(child(root, 'os')).toBeUndefined();
  });

  test('children inherit a default namespace until it is taken away', () => {
    const root = parseXml('<r xmlns="urn:x"><a><b xmlns=""/></a></r>');
    const a = child(root, 'a', 'urn:x');
    expect(a?.namespace).toBe('urn:x');
    expect(child(a, 'b')?.namespace).toBeUndefined();
  });

  test('a prefix that was never declared stays part of the name', () => {
    const root = parseXml('<r><p:os/></r>');
    expect(child(root, 'os')).toBeUndefined();
    expect(child(root, 'p:os')?.namespace).toBeUndefined();
  });
});

describe('refusals', () => {
  test.each([
    ['nothing', ''],
    ['white space', ' \n '],
    ['no XML', 'error: failed to get domain'],
    ['JSON', '{"domain": 1}'],
    ['a truncated document', '<domain><name>x</name><devi'],
    ['an unclosed element', '<domain><name>x</name>'],
    ['a mismatched end', '<a><b></a></b>'],
    ['two roots', '<a></a><b></b>'],
    ['two empty roots', '<a/><b/>'],
    ['text after the root', '<a></a>x'],
    ['an unquoted attribute', '<a b=1/>'],
    ['a repeated attribute', '<a b="1" b="2"/>'],
    ['an unfinished comment', '<a><!-- </a>'],
    ['unfinished CDATA', '<a><![CDATA[ </a>'],
    ['a bare ampersand in text', '<a>b & c</a>'],
    ['a bare ampersand in an attribute', '<a b="b & c"/>'],
    ['an unknown entity', '<a>&nbsp;</a>'],
    ['a reference to no character', '<a>&#0;</a>'],
    ['a reference to half a character', '<a>&#xD800;</a>'],
    ['a reference beyond Unicode', '<a>&#x110000;</a>'],
  ])('%s', (_what, text) => {
    const error = failureOf(text);
    expect(error.code).toBe('ERR_XML_MALFORMED');
    expect(error.message).toMatch(/^XML /);
    expect(error.message).not.toContain('undefined');
  });

  test('a message names the line and carries the cause', () => {
    const error = failureOf('<a>\n  <b></c>\n</a>');
    expect(error.message).toContain('line 2, column 6');
    expect(error.cause).toBeDefined();
  });

  test.each([
    ['a plain one', '<!DOCTYPE a><a/>'],
    ['entity definitions', '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
    [
      'a bomb',
      `<!DOCTYPE a [<!ENTITY a0 "x">${Array.from({ length: 30 }, (_, i) => `<!ENTITY a${i + 1} "&a${i};&a${i};">`).join('')}]><a>&a30;</a>`,
    ],
    ['an external entity', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'],
    ['one inside the root', '<a><!DOCTYPE a></a>'],
  ])('a DOCTYPE: %s', (_what, text) => {
    expect(['ERR_XML_DOCTYPE', 'ERR_XML_MALFORMED']).toContain(failureOf(text).code);
  });

  test('nesting up to the limit is read, beyond it refused', () => {
    const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth);
    expect(parseXml(nested(MAX_XML_DEPTH)).name).toBe('a');
    expect(failureOf(nested(MAX_XML_DEPTH + 1)).code).toBe('ERR_XML_TOO_DEEP');
    expect(failureOf(nested(100_000)).code).toBe('ERR_XML_TOO_DEEP');
  });

  test('a document longer than a libvirt string is refused unread', () => {
    expect(failureOf(`<a>${'x'.repeat(MAX_XML_LENGTH)}</a>`).code).toBe('ERR_XML_TOO_LARGE');
  });
});

describe('any input', () => {
  const xmlish = fc
    .array(
      fc.constantFrom(
        ...[
          '<a>',
          '</a>',
          '<a/>',
          '<a b="',
          '"',
          "'",
          '>',
          '<',
          '/',
          '&',
          '&amp;',
          '&#',
          ';',
          'x:',
          ' xmlns:x="u"',
        ],
        ...[
          '<!--',
          '-->',
          '<![CDATA[',
          ']]>',
          '<?',
          '?>',
          '<!DOCTYPE',
          '[',
          ']',
          '=',
          ' ',
          '\n',
          '__proto__',
          '😀',
        ],
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join(''));

  test('gives an element or an XmlError, nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), xmlish), (text) => {
        try {
          expect(typeof parseXml(text).name).toBe('string');
        } catch (error) {
          expect(error).toBeInstanceOf(XmlError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('text and attributes come back as they were escaped', () => {
    const character = fc
      .integer({ min: 0x20, max: 0x10ffff })
      .filter((it) => (it < 0xd800 || it > 0xdfff) && it !== 0xfffe && it !== 0xffff)
      .map((it) => String.fromCodePoint(it));
    const escaped = (text: string) => [...text].map((it) => `&#${it.codePointAt(0)};`).join('');
    fc.assert(
      fc.property(fc.string({ unit: character }), (text) => {
        const root = parseXml(`<a b="${escaped(text)}">${escaped(text)}</a>`);
        expect(attribute(root, 'b')).toBe(text);
        expect(root.text).toBe(text.trim());
      }),
    );
  });
});
