/** What is read of one `<os>` of osinfo-db. */
export interface OsEntity {
  readonly id: string;
  /** `<eol-date>`, `YYYY-MM-DD`. */
  readonly eol: string | undefined;
}

// Either kind of section that may hold text looking like a tag, or one of the three tags of interest. The
// lookahead ends a tag's name, so that <os> is not <os-variant>.
const TOKEN = /<!--|<!\[CDATA\[|<os(?=\s)|<\/os>|<eol-date(?=[\s>])/g;
const ID = /\sid\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/;
const DAY = /^\s*(\d{4}-\d{2}-\d{2})\s*$/;

/**
 * Scans one file of osinfo-db's `os` folder for its entities. No general XML parser: the whole database is
 * some thousand files of which two values each are wanted, and building their trees would cost the exporter
 * more memory than everything else it does. Ids and dates carry no XML entities.
 */
export function scanOsEntities(xml: string): OsEntity[] {
  const entities: OsEntity[] = [];
  let id: string | undefined;
  let eol: string | undefined;
  const tokens = new RegExp(TOKEN);
  for (let token = tokens.exec(xml); token !== null; token = tokens.exec(xml)) {
    const at = token.index;
    if (token[0] === '<!--' || token[0] === '<![CDATA[') {
      tokens.lastIndex = endOf(xml, token[0] === '<!--' ? '-->' : ']]>', at);
    } else if (token[0] === '<os') {
      const tag = xml.slice(at, endOf(xml, '>', at));
      const match = ID.exec(tag);
      id = match?.[1] ?? match?.[2];
      eol = undefined;
    } else if (token[0] === '</os>') {
      if (id !== undefined) {
        entities.push({ id, eol });
      }
      id = undefined;
    } else {
      const start = endOf(xml, '>', at);
      eol = DAY.exec(xml.slice(start, Math.max(start, xml.indexOf('<', start))))?.[1] ?? eol;
    }
  }
  return entities;
}

function endOf(xml: string, terminator: string, from: number): number {
  const at = xml.indexOf(terminator, from);
  return at === -1 ? xml.length : at + terminator.length;
}
