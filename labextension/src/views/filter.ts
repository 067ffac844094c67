import type { IEventRow, Row } from './model';

/** Which events are shown; an empty field selects all. */
export interface IFilter {
  readonly event: string;
  readonly sender: string;
  /** A text, or a regular expression between slashes, in the name, the sender or the data. */
  readonly text: string;
}

export const ALL: IFilter = { event: '', sender: '', text: '' };

export function isAll({ event, sender, text }: IFilter): boolean {
  return event === '' && sender === '' && text === '';
}

/** Return what is wrong with the text of a filter; null: nothing. */
export function filterFault({ text }: IFilter): string | null {
  try {
    pattern(text);
    return null;
  } catch (error) {
    return (error as SyntaxError).message;
  }
}

/**
 * Applies a filter to rows that grow at their ends.
 *
 * It tests each row once per filter: the rows that it has tested, and those of them that it selected, are kept. A row
 * that is another object than before is tested again.
 */
export class RowFilter {
  constructor(private readonly filter: IFilter) {
    this._matches = matcher(filter);
  }

  /** Return the rows that are selected. */
  select(rows: readonly Row[]): readonly Row[] {
    if (isAll(this.filter)) {
      return rows;
    }
    return rows.filter(row => {
      let known = this._known.get(row);
      if (known === undefined) {
        known = row.kind === 'event' && this._matches(row);
        this._known.set(row, known);
      }
      return known;
    });
  }

  private readonly _known = new WeakMap<Row, boolean>();
  private readonly _matches: (row: IEventRow) => boolean;
}

function matcher({ event, sender, text }: IFilter): (row: IEventRow) => boolean {
  const found = textMatcher(text);
  return row =>
    (event === '' || row.name === event) && (sender === '' || senderText(row) === sender) && (found?.(row) ?? true);
}

function textMatcher(text: string): ((row: IEventRow) => boolean) | null {
  if (text === '' || filterFault({ ...ALL, text }) !== null) {
    return null;
  }
  const expression = pattern(text);
  const small = text.toLowerCase();
  return row => {
    const line = `${row.name} ${senderText(row)} ${row.data ?? ''}`;
    return expression ? expression.test(line) : line.toLowerCase().includes(small);
  };
}

/** Return the regular expression of a text between slashes; null: it is a plain text. */
function pattern(text: string): RegExp | null {
  const [, source, flags] = /^\/(.+)\/([imsu]*)$/.exec(text) ?? [];
  return source === undefined ? null : new RegExp(source, flags);
}

/** Return the sender of a row as the filter names it. */
export function senderText({ sender, user }: IEventRow): string {
  return user ? `${sender} ${user}` : sender;
}

/** Return the names of the events, or of their senders, the most frequent first. */
export function frequent(rows: readonly Row[], of: (row: IEventRow) => string, limit = 50): string[] {
  const counts = new Map<string, number>();
  for (const row of rows) {
    if (row.kind === 'event') {
      counts.set(of(row), (counts.get(of(row)) ?? 0) + 1);
    }
  }
  return [...counts].sort(([, a], [, b]) => b - a).slice(0, limit).map(([name]) => name); // prettier-ignore
}
