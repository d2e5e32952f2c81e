import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import { LibvirtTransportError } from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { DomainConfig } from './domain-config.ts';
import { parseDomainXml } from './domain-xml.ts';

/** A domain's managed save image, from which libvirt restores the domain at its next start. */
export interface ManagedSave {
  /** Configuration in the image, which the next start uses; undefined when libvirt cannot read the image. */
  readonly config: DomainConfig | undefined;
}

/**
 * The domains' managed save images. libvirt announces a saved domain as a stopped one, but not that an image was removed.
 * So the images are listed after each change of a domain, and for as long as there is one, with each scrape. An image is
 * read once.
 */
export class ManagedSaves {
  readonly #images = new Map<string, ManagedSave>();
  /** Domains whose image is read again, as it may be another one. */
  readonly #changed = new Set<string>();
  #isListed = false;
  #isStale = true;
  #refresh: Promise<void> | undefined;

  /** Forgets all images: changes since the last connection were not announced. */
  connected(): void {
    this.#images.clear();
    this.#isListed = false;
    this.#isStale = true;
  }

  /** Something of the domain has changed: it was started or stopped, for example. */
  changed(uuid: string): void {
    this.#changed.add(uuid);
    this.#isStale = true;
  }

  /** The domain's image; `none` when it has none, undefined when the images could not be listed. */
  of(uuid: string): ManagedSave | 'none' | undefined {
    return this.#isListed ? (this.#images.get(uuid) ?? 'none') : undefined;
  }

  /** Lists and reads what may have changed. Never rejects. */
  refresh(client: ConfigurationClient): Promise<void> {
    this.#refresh ??= this.#read(client).finally(() => {
      this.#refresh = undefined;
    });
    return this.#refresh;
  }

  async #read(client: ConfigurationClient): Promise<void> {
    if (!this.#isStale && this.#images.size === 0) return;
    this.#isStale = false;
    try {
      const saved = await client.savedDomains();
      const uuids = new Set(saved.map(({ uuid }) => uuid));
      for (const uuid of this.#images.keys()) if (!uuids.has(uuid)) this.#images.delete(uuid);
      for (const uuid of this.#changed) if (!uuids.has(uuid)) this.#changed.delete(uuid);
      for (const domain of saved) {
        if (this.#images.has(domain.uuid) && !this.#changed.has(domain.uuid)) continue;
        // Removed before the read: an image that changes during the read is read again.
        this.#changed.delete(domain.uuid);
        this.#images.set(domain.uuid, { config: await readConfig(client, domain) });
      }
      this.#isListed = true;
    } catch {
      // The connection ended, or libvirt refuses the list. The next scrape tries again.
      this.#isStale = true;
    }
  }
}

/** @throws LibvirtTransportError when the connection ended; not an error of the image */
async function readConfig(client: ConfigurationClient, domain: DomainRef): Promise<DomainConfig | undefined> {
  try {
    return parseDomainXml(await client.savedXml(domain));
  } catch (error) {
    if (error instanceof LibvirtTransportError) throw error;
    return undefined;
  }
}
