import { createHash } from 'node:crypto';
import type { DomainConfig } from './domain-config.ts';
import { parseDomainXml } from './domain-xml.ts';

interface ParsedDocument {
  readonly digest: string;
  readonly config: DomainConfig;
}

/**
 * The last parsed documents of each domain. A document that is read again unchanged is not parsed again, and its configuration
 * is the same object as before.
 */
export class ParsedDocuments {
  readonly #documents = new Map<string, Map<DocumentKind, ParsedDocument>>();

  /** @throws XmlError as {@link parseDomainXml} does */
  parse(uuid: string, kind: DocumentKind, text: string): DomainConfig {
    const digest = createHash('sha1').update(text).digest('base64');
    const ofDomain = this.#documents.get(uuid) ?? new Map<DocumentKind, ParsedDocument>();
    const before = ofDomain.get(kind);
    if (before?.digest === digest) return before.config;
    const config = parseDomainXml(text);
    this.#documents.set(uuid, ofDomain.set(kind, { digest, config }));
    return config;
  }

  forget(uuid: string): void {
    this.#documents.delete(uuid);
  }
}

export type DocumentKind = 'current' | 'persistent';
