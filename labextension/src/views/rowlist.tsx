import type { JSX, RefObject } from 'preact';
import { useCallback, useRef, useState } from 'preact/hooks';

import { EventRow } from './eventrow';
import { useTranslation, useUniqueId } from './hooks';
import type { IEarlier, IEventRow, Row } from './model';
import { indexOf, onListKey } from './listkeys';
import { type IRowWindow, ROW_HEIGHT } from './rowwindow';

export interface ITimelineProps {
  /** The name of the room. */
  name: string;
  rows: readonly Row[];
  earlier?: IEarlier | undefined;
  /** The row that is inspected; null: none is. */
  selected: IEventRow | null;
  onSelect: (row: IEventRow | null) => void;
  onMenu?: ((event: MouseEvent, row: IEventRow) => void) | undefined;
  /** Called by the key E: go to the form. */
  onEmit?: (() => void) | undefined;
}

interface IRowListProps extends ITimelineProps {
  list: RefObject<HTMLDivElement | null>;
  view: IRowWindow;
  isFiltered: boolean;
  onPause: () => void;
  onFilter: () => void;
}

/** The rows in view, as a list box: one tab stop, in which the keys move the active row. */
export function RowList(props: IRowListProps): JSX.Element {
  const { name, rows, list, view, selected, onSelect, onMenu } = props;
  const trans = useTranslation();
  const listId = useUniqueId();
  const [activeKey, setActiveKey] = useState<number | null>(null);
  const active = activeKey === null ? -1 : indexOf(rows, activeKey);
  const choose = (row: IEventRow): void => {
    setActiveKey(row.key);
    onSelect(row);
  };
  const select = useSame(choose);
  const move = (index: number): void => {
    const row = rows[Math.max(0, Math.min(index, rows.length - 1))];
    if (row) {
      setActiveKey(row.key);
      view.reveal(indexOf(rows, row.key));
    }
  };
  const visible = rows.slice(view.first, view.last);
  return (
    <div className="jp-RtmsgTimeline-log" role="log" aria-live="off" aria-label={trans.__('Events of %1', name)}>
      <div
        ref={list}
        className="jp-RtmsgRoomView-events"
        role="listbox"
        tabIndex={0}
        aria-label={trans.__('Events of %1: arrow keys move, Enter inspects, / filters, Space pauses', name)}
        aria-activedescendant={active >= view.first && active < view.last ? `${listId}-${activeKey}` : undefined}
        onScroll={view.onScroll}
        onContextMenu={event => {
          onKeyMenu(event, rows[active], onMenu);
        }}
        onKeyDown={event => {
          onListKey(event, { ...props, active, move, select });
        }}
      >
        <div role="presentation" className="jp-RtmsgTimeline-rows" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
          {visible.map((row, offset) => {
            const index = view.first + offset;
            const place = { id: `${listId}-${row.key}`, index, count: rows.length };
            return row.kind === 'event' ? (
              <EventRow
                key={row.key}
                {...place}
                row={row}
                active={row.key === activeKey}
                selected={row.key === selected?.key}
                onSelect={select}
                onMenu={onMenu}
                trans={trans}
              />
            ) : (
              <RemarkRow key={row.key} {...place} text={row.text} />
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** Show the menu of the active row: the key for menus is pressed where the focus is, on the list. */
function onKeyMenu(event: MouseEvent, row: Row | undefined, onMenu: ITimelineProps['onMenu']): void {
  if (event.target === event.currentTarget && row?.kind === 'event') {
    onMenu?.(event, row);
  }
}

/** Return a function that stays the same object, and calls the latest one. */
function useSame(latest: (row: IEventRow) => void): (row: IEventRow) => void {
  const known = useRef(latest);
  known.current = latest;
  return useCallback((row: IEventRow) => {
    known.current(row);
  }, []);
}

function RemarkRow({
  id,
  index,
  count,
  text
}: {
  id: string;
  index: number;
  count: number;
  text: string;
}): JSX.Element {
  return (
    <div
      id={id}
      className="jp-RtmsgRoomView-hint"
      role="option"
      aria-selected={false}
      aria-disabled
      aria-posinset={index + 1}
      aria-setsize={count}
      title={text}
      style={{ top: `${index * ROW_HEIGHT}px` }}
    >
      {text}
    </div>
  );
}
