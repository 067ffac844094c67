import type { JSX, RefObject } from 'preact';
import { useCallback, useMemo, useRef, useState } from 'preact/hooks';

import { ALL, type IFilter, isAll, RowFilter } from './filter';
import { FilterBar } from './filterbar';
import { useTranslation } from './hooks';
import type { Row } from './model';
import { type ITimelineProps, RowList } from './rowlist';
import { type IRowWindow, useRowWindow } from './rowwindow';
import { TimelineBar } from './timelinebar';
import { useAnnouncement } from './announcement';

/**
 * The events of a room, newest last, one line each: only those in view are in the page.
 *
 * It stays at the end unless the reader has scrolled back, and shows what it had when it was paused. The list is one tab
 * stop: the keys move the active row, which events that arrive never do.
 */
export function Timeline(props: ITimelineProps): JSX.Element {
  const { name, earlier, selected } = props;
  const trans = useTranslation();
  const list = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const { filter, setFilter, isFilterShown, showFilter, toggleFilter } = useFilter(field);
  const { shown: held, paused, toggle } = usePause(props.rows);
  const rows = useFiltered(held, filter);
  const view = useRowWindow(list, rows);
  const announcement = useAnnouncement(name, props.rows);
  return (
    <div className="jp-RtmsgTimeline">
      <TimelineBar
        rows={rows}
        total={held.length}
        earlier={earlier}
        paused={paused}
        onPause={toggle}
        isFilterShown={isFilterShown}
        onFilter={toggleFilter}
        onMissed={view.reveal}
      />
      {isFilterShown && (
        <FilterBar
          rows={held}
          filter={filter}
          onChange={setFilter}
          field={field}
          onLeave={() => {
            list.current?.focus();
          }}
        />
      )}
      <RowList
        {...props}
        list={list}
        rows={rows}
        view={view}
        selected={selected}
        isFiltered={!isAll(filter)}
        onPause={toggle}
        onFilter={showFilter}
      />
      <NewPill view={view} list={list} pending={paused ? props.rows.length - held.length : 0} onResume={toggle} />
      <span role="status" className="jp-RtmsgHidden">
        {announcement}
      </span>
      {rows.length === 0 && (
        <p className="jp-RtmsgTimeline-hint">{hint(props.rows.length, isAll(filter), name, trans)}</p>
      )}
    </div>
  );
}

function hint(count: number, isAllShown: boolean, name: string, trans: ReturnType<typeof useTranslation>): JSX.Element {
  if (count > 0 && !isAllShown) {
    return (
      <>{trans._n('The one event does not pass the filter.', 'None of %1 events passes the filter.', count, count)}</>
    );
  }
  return (
    <>
      {trans.__('Nothing has happened here yet. In a notebook:')}
      <code>{`rt.connect().join(${JSON.stringify(name)}).emit("hello", 1)`}</code>
    </>
  );
}

interface IPause {
  readonly shown: readonly Row[];
  readonly paused: boolean;
  toggle: () => void;
}

/** Return the rows of the moment at which it was paused, or those of now. */
function usePause(rows: readonly Row[]): IPause {
  const [held, setHeld] = useState<readonly Row[] | null>(null);
  const latest = useRef(rows);
  latest.current = rows;
  const toggle = useCallback(() => {
    setHeld(known => (known ? null : latest.current));
  }, []);
  return { shown: held ?? rows, paused: held !== null, toggle };
}

interface IFilterState {
  readonly filter: IFilter;
  readonly setFilter: (filter: IFilter) => void;
  readonly isFilterShown: boolean;
  readonly showFilter: () => void;
  readonly toggleFilter: () => void;
}

/** Return the filter and whether its fields are shown; when they appear, the text has the focus. */
function useFilter(field: RefObject<HTMLInputElement | null>): IFilterState {
  const [filter, setFilter] = useState<IFilter>(ALL);
  const [isFilterShown, setFilterShown] = useState(false);
  const showFilter = (): void => {
    setFilterShown(true);
    requestAnimationFrame(() => field.current?.focus());
  };
  const toggleFilter = (): void => {
    setFilter(ALL);
    if (isFilterShown) {
      setFilterShown(false);
    } else {
      showFilter();
    }
  };
  return { filter, setFilter, isFilterShown, showFilter, toggleFilter };
}

function useFiltered(rows: readonly Row[], filter: IFilter): readonly Row[] {
  const selection = useMemo(() => new RowFilter(filter), [filter]);
  return useMemo(() => selection.select(rows), [selection, rows]);
}

interface INewPillProps {
  view: IRowWindow;
  list: RefObject<HTMLElement | null>;
  /** Rows that came while it was paused. */
  pending: number;
  onResume: () => void;
}

function NewPill({ view, list, pending, onResume }: INewPillProps): JSX.Element | null {
  const trans = useTranslation();
  const count = Math.max(view.below, pending);
  if (view.atEnd && pending <= 0) {
    return null;
  }
  return (
    <button
      type="button"
      className="jp-RtmsgTimeline-pill"
      onClick={() => {
        if (pending > 0) {
          onResume();
        }
        view.toEnd();
        list.current?.focus();
      }}
    >
      {count > 0 ? trans.__('%1 new ↓', count.toLocaleString()) : trans.__('to the newest ↓')}
    </button>
  );
}
