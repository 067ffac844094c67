import type { RefObject } from 'preact';
import { useCallback, useLayoutEffect, useRef, useState } from 'preact/hooks';

import type { Row } from './model';

/** The height of a row in pixels; style/views/timeline.css has the same. */
export const ROW_HEIGHT = 24;

/** Rows that are rendered above and below those in view. */
const MARGIN = 4;

/** Where the reader is: at the end, or at a row that stays in its place. */
interface IPlace {
  atEnd: boolean;
  /** The key of the first row in view, and how many pixels of it are above the view. */
  key: number;
  offset: number;
}

/** The part of a list that is in view. */
export interface IRowWindow {
  readonly first: number;
  readonly last: number;
  readonly atEnd: boolean;
  /** How many rows have come below since the reader left the end. */
  readonly below: number;
  onScroll: () => void;
  toEnd: () => void;
  /** Bring a row into view. */
  reveal: (index: number) => void;
}

/**
 * Return which rows of a scrolled list are in view. All rows have one height.
 *
 * At its end the list stays there. Elsewhere the row at the top stays where it is, whatever is added or removed above.
 */
export function useRowWindow(ref: RefObject<HTMLElement | null>, rows: readonly Row[]): IRowWindow {
  const place = useRef<IPlace>({ atEnd: true, key: 0, offset: 0 });
  const leftAt = useRef(0);
  const [view, setView] = useState({ top: 0, height: 0 });

  const measure = useCallback((): void => {
    const element = ref.current;
    if (element) {
      const next = { top: element.scrollTop, height: element.clientHeight };
      setView(known => (known.top === next.top && known.height === next.height ? known : next));
    }
  }, [ref]);

  useLayoutEffect(() => {
    const element = ref.current;
    if (element) {
      const { atEnd, key, offset } = place.current;
      const top = atEnd ? rows.length * ROW_HEIGHT : lowerBound(rows, key) * ROW_HEIGHT + offset;
      if (Math.abs(element.scrollTop - top) >= 1) {
        element.scrollTop = top;
      }
      measure();
    }
  }, [rows, ref, measure]);

  useResize(ref, () => {
    if (ref.current && place.current.atEnd) {
      ref.current.scrollTop = rows.length * ROW_HEIGHT;
    }
    measure();
  });

  const onScroll = (): void => {
    if (ref.current) {
      const wasAtEnd = place.current.atEnd;
      place.current = placeOf(ref.current, rows);
      if (wasAtEnd && !place.current.atEnd) {
        leftAt.current = rows[rows.length - 1]?.key ?? 0;
      }
      measure();
    }
  };

  const scrollTo = (top: number): void => {
    if (ref.current) {
      ref.current.scrollTop = top;
      onScroll();
    }
  };

  return {
    ...span(view, rows.length),
    atEnd: place.current.atEnd,
    below: place.current.atEnd ? 0 : rows.length - lowerBound(rows, leftAt.current + 1),
    onScroll,
    toEnd: () => {
      scrollTo(rows.length * ROW_HEIGHT);
    },
    reveal: index => {
      const top = ref.current && revealing(ref.current, index * ROW_HEIGHT);
      if (top !== null) {
        scrollTo(top);
      }
    }
  };
}

/** Return where the reader of a scrolled list is. */
function placeOf({ scrollTop, scrollHeight, clientHeight }: HTMLElement, rows: readonly Row[]): IPlace {
  const atEnd = scrollHeight - scrollTop - clientHeight < ROW_HEIGHT;
  const index = Math.min(Math.floor(scrollTop / ROW_HEIGHT), rows.length - 1);
  return { atEnd, key: rows[index]?.key ?? 0, offset: scrollTop - index * ROW_HEIGHT };
}

/** Return which rows are rendered where the list is scrolled to a place. */
function span(view: { top: number; height: number }, count: number): { first: number; last: number } {
  const shown = Math.ceil(view.height / ROW_HEIGHT);
  const top = Math.min(Math.floor(view.top / ROW_HEIGHT), Math.max(count - shown, 0));
  return { first: Math.max(top - MARGIN, 0), last: Math.min(top + shown + MARGIN, count) };
}

/** Return where to scroll to so that a row is in view; null: it is. */
function revealing({ scrollTop, clientHeight }: HTMLElement, start: number): number | null {
  if (start < scrollTop) {
    return start;
  }
  return start + ROW_HEIGHT > scrollTop + clientHeight ? start + ROW_HEIGHT - clientHeight : null;
}

/** Return the index of the first row whose key is not below a key. */
export function lowerBound(rows: readonly Row[], key: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.key ?? key) < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** Call a function whenever an element is resized. */
function useResize(ref: RefObject<HTMLElement | null>, resized: () => void): void {
  const latest = useRef(resized);
  latest.current = resized;
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => {
      latest.current();
    });
    if (ref.current) {
      observer.observe(ref.current);
    }
    return () => {
      observer.disconnect();
    };
  }, [ref]);
}
