import type { TranslationBundle } from '@jupyterlab/translation';
import React, { useEffect, useLayoutEffect, useRef } from 'react';

import { dataText, timeText } from './format';
import { escapeHidden } from './invisible';
import { title } from './names';
import type { Entry, IRoom } from './tokens';
import type { IEvent } from './wire';

/** Pixels from the end within which a reader counts as being at the end. */
const NEAR_END = 24;

interface ITimelineProps {
  room: IRoom;
  trans: TranslationBundle;
}

/** The events of a room, newest last. Stays at the end while the reader is there. */
export function Timeline({ room, trans }: ITimelineProps): React.JSX.Element {
  const log = useRef<HTMLDivElement>(null);
  const atEnd = useEnd(log);
  return (
    <div
      ref={log}
      className="jp-Rtmsg-timeline"
      role="log"
      aria-live="polite"
      aria-label={trans.__('Events of %1', room.name)}
      tabIndex={0}
      onScroll={({ currentTarget: element }) => {
        atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
      }}
    >
      {room.entries.length === 0 && <p className="jp-Rtmsg-hint">{trans.__('Nothing has happened here yet.')}</p>}
      {room.entries.map(entry => {
        const [sender, user] = entry.kind === 'event' ? room.partsOf(entry.event.from) : ['', ''];
        return <Line key={entry.key} entry={entry} sender={sender} user={user} trans={trans} />;
      })}
    </div>
  );
}

/** Keep the end of an element in view, whatever is added and however it is resized, while `atEnd.current` holds. */
function useEnd(ref: React.RefObject<HTMLElement>): React.MutableRefObject<boolean> {
  const atEnd = useRef(true);
  const follow = (): void => {
    if (ref.current && atEnd.current) {
      ref.current.scrollTop = ref.current.scrollHeight;
    }
  };
  useLayoutEffect(follow);
  useEffect(() => {
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

interface ILineProps {
  entry: Entry;
  sender: string;
  user: string;
  trans: TranslationBundle;
}

/** Remembered, since a busy room renders its timeline twenty times a second and data may be large. */
const Line = React.memo(function Line({ entry, sender, user, trans }: ILineProps): React.JSX.Element {
  if (entry.kind === 'remark') {
    return <p className="jp-Rtmsg-hint">{entry.text}</p>;
  }
  const { event } = entry;
  const name = escapeHidden(event.name);
  return (
    <div className={event.replay ? 'jp-Rtmsg-event jp-mod-replay' : 'jp-Rtmsg-event'}>
      <div className="jp-Rtmsg-eventHead">
        <bdi className="jp-Rtmsg-eventName" title={name}>
          {name}
        </bdi>
        <span className="jp-Rtmsg-sender" title={title(event.from)}>
          {/* The name may be cut where it is long, the user is not: a chosen name must not hide who it is. */}
          <bdi className="jp-Rtmsg-senderName">{sender}</bdi>
          {user && <bdi className="jp-Rtmsg-senderUser"> {user}</bdi>}
        </span>
        {event.replay && <ReplayMark label={trans.__('replayed')} />}
        <time dateTime={new Date(event.ts).toISOString()} title={position(event, trans)}>
          {timeText(event.ts)}
        </time>
      </div>
      {/* Data is text, whatever it holds: it comes from whoever may write to the room. */}
      {event.data !== null && <code className="jp-Rtmsg-data">{dataText(event.data)}</code>}
    </div>
  );
});

function ReplayMark({ label }: { label: string }): React.JSX.Element {
  return (
    <span className="jp-Rtmsg-replay" role="img" aria-label={label} title={label}>
      ↺
    </span>
  );
}

function position(event: IEvent, trans: TranslationBundle): string {
  const when = new Date(event.ts).toLocaleString();
  return event.seq === null ? trans.__('%1, volatile', when) : trans.__('%1, number %2 in the log', when, event.seq);
}
