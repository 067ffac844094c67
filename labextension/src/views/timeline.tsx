import type { JSX, RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

import { EventRow } from './eventrow';
import { useTranslation } from './hooks';
import type { Row } from './model';

/** Pixels from the end within which a reader counts as being at the end. */
const NEAR_END = 24;

interface ITimelineProps {
  /** The name of the room. */
  name: string;
  rows: readonly Row[];
}

/** The events of a room, newest last. It stays at the end unless the reader has scrolled back. */
export function Timeline({ name, rows }: ITimelineProps): JSX.Element {
  const trans = useTranslation();
  const log = useRef<HTMLDivElement>(null);
  const atEnd = useEnd(log);
  return (
    <div
      ref={log}
      className="jp-RtmsgRoomView-events"
      role="log"
      aria-live="polite"
      aria-label={trans.__('Events of %1', name)}
      tabIndex={0}
      onScroll={({ currentTarget: element }) => {
        atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
      }}
    >
      {rows.length === 0 && <p className="jp-RtmsgRoomView-hint">{trans.__('Nothing has happened here yet.')}</p>}
      {rows.map(row =>
        row.kind === 'event' ? (
          <EventRow key={row.key} row={row} trans={trans} />
        ) : (
          <p key={row.key} className="jp-RtmsgRoomView-hint">
            {row.text}
          </p>
        )
      )}
    </div>
  );
}

/** Keep the end of an element in view while `atEnd.current` holds: when rows are added, and when it is resized. */
function useEnd(ref: RefObject<HTMLElement | null>): { current: boolean } {
  const atEnd = useRef(true);
  const follow = (): void => {
    if (ref.current && atEnd.current) {
      ref.current.scrollTop = ref.current.scrollHeight;
    }
  };
  useLayoutEffect(follow);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(follow);
    if (ref.current) {
      observer.observe(ref.current);
    }
    return () => {
      observer.disconnect();
    };
  }, []);
  return atEnd;
}
