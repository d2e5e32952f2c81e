/** The values that are read from one `<os>` of osinfo-db. */
interface OsEntity {
  readonly id: string;
  /** `<eol-date>`, `YYYY-MM-DD`. */
  readonly eol: string | undefined;
}

// A comment or CDATA section, which may contain text that looks like a tag, or one of the three tags of interest. The
// lookahead ends a tag's name, so that <os> does not match <os-variant>.
const TOKEN = /<!--|<!\[CDATA\[|<os(?=\s)|<\/os>|<eol-date(?=[\s>])/g;
const ID = /\sid\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/;
const DAY = /^\s*(\d{4}-\d{2}-\d{2})\s*$/;

/**
 * Scans one file of osinfo-db's `os` folder for its entities, without an XML parser: the database has some thousand
 * files with two values of interest in each, and the trees of a parser would take more memory than the rest of the
 * exporter. Ids and dates contain no XML entities.
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
