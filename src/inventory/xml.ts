import { XMLParser, XMLValidator } from 'fast-xml-parser';

/** One element with its resolved namespace. The keys of `attributes` are names as written, prefix included. */
export interface XmlElement {
  /** Name as written, prefix included. */
  readonly name: string;
  /** Name without its prefix; the whole name when the prefix was never declared. */
  readonly localName: string;
  /** URI, from a prefix or a default `xmlns` in scope; undefined for elements in no namespace. */
  readonly namespace: string | undefined;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** The element's own character data, CDATA included, trimmed. */
  readonly text: string;
}

/** Stable codes of {@link XmlError}. */
type XmlErrorCode =
  | 'ERR_XML_MALFORMED'
  | 'ERR_XML_TOO_LARGE'
  | 'ERR_XML_TOO_DEEP'
  | 'ERR_XML_DOCTYPE'
  | 'ERR_XML_UNEXPECTED';

/** The text is not XML, not the expected document (`ERR_XML_UNEXPECTED`), or larger than libvirt ever sends. */
export class XmlError extends Error {
  override readonly name = 'XmlError';
  readonly code: XmlErrorCode;

  constructor(code: XmlErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** REMOTE_STRING_MAX in libvirt's remote_protocol.x: libvirt sends no longer document. */
export const MAX_XML_LENGTH = 4 * 1024 * 1024;

/** libxml2's default limit. libvirt nests one `<backingStore>` in another up to 200 times. */
export const MAX_XML_DEPTH = 256;

const TEXT = '#text';
const ATTRIBUTES = ':@';
const ATTRIBUTE_PREFIX = '@';
// fast-xml-parser refuses elements named `constructor` or `prototype`, so each name gets a prefix. The parser transforms
// the names of self-closing elements twice, so these can have the prefix twice.
const ELEMENT_PREFIX = '<';
const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';

const NAMED_ENTITIES: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

/**
 * Parses one XML document and returns its root element.
 * @throws XmlError for anything that is not one well-formed document within the limits above
 */
export function parseXml(text: string): XmlElement {
  if (text.length > MAX_XML_LENGTH) {
    throw new XmlError(
      'ERR_XML_TOO_LARGE',
      `XML document of ${text.length} characters; libvirt sends at most ${MAX_XML_LENGTH}`,
    );
  }
  const roots = elementsOf(parseNodes(text), undefined, 1);
  const root = roots[0];
  if (root === undefined || roots.length > 1) {
    throw new XmlError('ERR_XML_MALFORMED', `XML document with ${roots.length} root elements instead of one`);
  }
  return root;
}

/** The first child element of this local name in this namespace; by default, in no namespace. */
export function child(
  parent: XmlElement | undefined,
  localName: string,
  namespace?: string,
): XmlElement | undefined {
  return parent?.children.find((it) => it.localName === localName && it.namespace === namespace);
}

/** Every child element of this local name in this namespace (by default, in no namespace), in document order. */
export function children(
  parent: XmlElement | undefined,
  localName: string,
  namespace?: string,
): readonly XmlElement[] {
  return parent?.children.filter((it) => it.localName === localName && it.namespace === namespace) ?? [];
}

/** The attribute's value; undefined when it, or the element, is absent. */
export function attribute(element: XmlElement | undefined, name: string): string | undefined {
  return element?.attributes.get(name);
}

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: ATTRIBUTE_PREFIX,
  textNodeName: TEXT,
  parseTagValue: false,
  parseAttributeValue: false,
  // Trimming would also strip attribute values, and a path may end in a space.
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: MAX_XML_DEPTH,
  jPath: false,
  transformTagName: (name) => ELEMENT_PREFIX + name,
  entityDecoder: {
    decode: decodeEntities,
    addInputEntities: refuseDoctype,
    setExternalEntities: ignore,
    setXmlVersion: ignore,
    reset: ignore,
  },
});

function parseNodes(text: string): unknown {
  try {
    // The parser itself accepts unclosed and mismatched tags.
    const validation = XMLValidator.validate(text);
    if (validation !== true) {
      const { msg, line, col } = validation.err;
      // There is no column when the document has no element at all.
      const position = Number.isInteger(col) ? ` at line ${line}, column ${col}` : '';
      throw new XmlError('ERR_XML_MALFORMED', `XML is not well-formed${position}: ${msg.slice(0, 200)}`, {
        cause: validation.err,
      });
    }
    return parser.parse(text);
  } catch (error) {
    if (error instanceof XmlError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    if (reason.includes('nested tags')) {
      throw new XmlError('ERR_XML_TOO_DEEP', `XML nested deeper than ${MAX_XML_DEPTH} elements`, {
        cause: error,
      });
    }
    throw new XmlError('ERR_XML_MALFORMED', `XML is not well-formed: ${reason.slice(0, 200)}`, {
      cause: error,
    });
  }
}

/** `nodes`: an array in the format of fast-xml-parser's preserveOrder, `{ [name]: nodes, ':@': attributes }` each. */
function elementsOf(nodes: unknown, scope: Scope | undefined, depth: number): XmlElement[] {
  if (!Array.isArray(nodes)) return [];
  return nodes.flatMap((node: unknown) => {
    const element = elementOf(node, scope, depth);
    return element === undefined ? [] : [element];
  });
}

function elementOf(node: unknown, outer: Scope | undefined, depth: number): XmlElement | undefined {
  if (typeof node !== 'object' || node === null) return undefined;
  const entries = Object.entries(node);
  const content = entries.find(([key]) => key.startsWith(ELEMENT_PREFIX));
  if (content === undefined) return undefined;
  if (depth > MAX_XML_DEPTH) {
    throw new XmlError('ERR_XML_TOO_DEEP', `XML nested deeper than ${MAX_XML_DEPTH} elements`);
  }
  const name = content[0].replace(/^<+/, '');
  const attributes = attributesOf(entries.find(([key]) => key === ATTRIBUTES)?.[1]);
  const scope = scopeOf(attributes, outer);
  return {
    name,
    ...resolveName(name, scope),
    attributes,
    children: elementsOf(content[1], scope, depth + 1),
    text: textOf(content[1]),
  };
}

function attributesOf(written: unknown): ReadonlyMap<string, string> {
  if (typeof written !== 'object' || written === null) return new Map();
  return new Map(
    Object.entries(written).map(([key, value]) => [key.slice(ATTRIBUTE_PREFIX.length), String(value)]),
  );
}

/** The namespaces that an element declares, and the scope around the element. */
interface Scope {
  /** Prefix to URI; the default namespace has the prefix ''. */
  readonly declared: ReadonlyMap<string, string>;
  readonly outer: Scope | undefined;
}

function scopeOf(attributes: ReadonlyMap<string, string>, outer: Scope | undefined): Scope | undefined {
  const declared = [...attributes].flatMap(([name, uri]): [string, string][] => {
    if (name === 'xmlns') return [['', uri]];
    return name.startsWith('xmlns:') ? [[name.slice('xmlns:'.length), uri]] : [];
  });
  return declared.length === 0 ? outer : { declared: new Map(declared), outer };
}

function lookUp(prefix: string, scope: Scope | undefined): string | undefined {
  for (let at = scope; at !== undefined; at = at.outer) {
    const uri = at.declared.get(prefix);
    if (uri !== undefined) return uri;
  }
  return undefined;
}

function resolveName(
  name: string,
  scope: Scope | undefined,
): { localName: string; namespace: string | undefined } {
  const colon = name.indexOf(':');
  const prefix = colon === -1 ? '' : name.slice(0, colon);
  const uri = prefix === 'xml' ? XML_NAMESPACE : lookUp(prefix, scope);
  // xmlns="" removes the default namespace.
  if (uri === undefined || uri === '') return { localName: name, namespace: undefined };
  return { localName: name.slice(colon + 1), namespace: uri };
}

function textOf(nodes: unknown): string {
  if (!Array.isArray(nodes)) return '';
  const parts = nodes.map((node: unknown) =>
    typeof node === 'object' && node !== null && TEXT in node ? String(node[TEXT]) : '',
  );
  return parts.join('').trim();
}

function decodeEntities(value: string): string {
  if (!value.includes('&')) return value;
  return value.replace(
    /&(?:#x([\da-f]{1,8});|#(\d{1,10});|(\w{1,20});)?/gi,
    (written, hex, decimal, name) => {
      if (typeof hex === 'string') return characterOf(Number.parseInt(hex, 16), written);
      if (typeof decimal === 'string') return characterOf(Number.parseInt(decimal, 10), written);
      const character = NAMED_ENTITIES.get(String(name));
      if (character === undefined) {
        throw new XmlError('ERR_XML_MALFORMED', `XML is not well-formed: unknown entity ${written}`);
      }
      return character;
    },
  );
}

function characterOf(codePoint: number, written: string): string {
  const legal =
    codePoint === 0x9 ||
    codePoint === 0xa ||
    codePoint === 0xd ||
    (codePoint >= 0x20 && codePoint <= 0xd7ff) ||
    (codePoint >= 0xe000 && codePoint <= 0xfffd) ||
    (codePoint >= 0x10000 && codePoint <= 0x10ffff);
  if (!legal) {
    throw new XmlError('ERR_XML_MALFORMED', `XML is not well-formed: ${written} is no XML character`);
  }
  return String.fromCodePoint(codePoint);
}

/** Called for any `<!DOCTYPE`. libvirt never sends one, and entity definitions can exhaust a parser's memory. */
function refuseDoctype(): never {
  throw new XmlError('ERR_XML_DOCTYPE', 'XML document has a DOCTYPE, which libvirt never writes');
}

function ignore(): void {}
