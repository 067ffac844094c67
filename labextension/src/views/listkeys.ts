import type { IEventRow, Row } from './model';
import { lowerBound } from './rowwindow';

/** What the keys of a list act on. */
export interface IListKeys {
  rows: readonly Row[];
  onSelect: (row: IEventRow | null) => void;
  onPause: () => void;
  onFilter: () => void;
  onEmit?: (() => void) | undefined;
  /** The index of the active row; -1: there is none. */
  active: number;
  move: (index: number) => void;
  select: (row: IEventRow) => void;
}

/** Do what a key of the list means. */
export function onListKey(event: KeyboardEvent, keys: IListKeys): void {
  const { rows, active, move } = keys;
  const current = active < 0 ? rows.length : active;
  const page = 10;
  const actions: Record<string, () => void> = {
    ArrowUp: () => { move(current - 1); },
    ArrowDown: () => { move(current + 1); },
    PageUp: () => { move(current - page); },
    PageDown: () => { move(current + page); },
    Home: () => { move(0); },
    End: () => { move(rows.length - 1); },
    Enter: () => {
      const row = rows[active];
      if (row?.kind === 'event') {
        keys.select(row);
      }
    },
    Escape: () => { keys.onSelect(null); },
    ' ': keys.onPause,
    '/': keys.onFilter,
    u: () => { move(rows.findIndex(row => row.kind === 'event' && row.missed === true)); },
    e: () => { keys.onEmit?.(); }
  }; // prettier-ignore
  const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (action && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    event.stopPropagation();
    action();
  }
}

/** Return the index of the row with a key; -1: there is none. */
export function indexOf(rows: readonly Row[], key: number): number {
  const index = lowerBound(rows, key);
  return rows[index]?.key === key ? index : -1;
}
