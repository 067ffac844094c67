import type { TranslationBundle } from '@jupyterlab/translation';
import React, { useLayoutEffect, useRef } from 'react';

import { dataText, timeText } from './format';
import { memberName } from './memberlist';
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
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (log.current && atEnd.current) {
      log.current.scrollTop = log.current.scrollHeight;
    }
  });
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
      {room.entries.map(entry => (
        <Line key={entry.key} entry={entry} room={room} trans={trans} />
      ))}
    </div>
  );
}

function Line({ entry, room, trans }: ITimelineProps & { entry: Entry }): React.JSX.Element {
  if (entry.kind === 'remark') {
    return <p className="jp-Rtmsg-hint">{entry.text}</p>;
  }
  const { event } = entry;
  return (
    <div className={event.replay ? 'jp-Rtmsg-event jp-mod-replay' : 'jp-Rtmsg-event'}>
      <div className="jp-Rtmsg-eventHead">
        <span className="jp-Rtmsg-eventName">{event.name}</span>
        <span className="jp-Rtmsg-sender">{senderName(event, room)}</span>
        {event.replay && <span className="jp-Rtmsg-replay">{trans.__('replayed')}</span>}
        <time dateTime={new Date(event.ts).toISOString()} title={position(event, trans)}>
          {timeText(event.ts)}
        </time>
      </div>
      {/* Data is text, whatever it holds: it comes from whoever may write to the room. */}
      {event.data !== null && <code className="jp-Rtmsg-data">{dataText(event.data)}</code>}
    </div>
  );
}

function senderName(event: IEvent, room: IRoom): string {
  const sender = room.members.find(member => member.member === event.from.member);
  return sender ? memberName(sender) : event.from.user;
}

function position(event: IEvent, trans: TranslationBundle): string {
  const when = new Date(event.ts).toLocaleString();
  return event.seq === null ? trans.__('%1, volatile', when) : trans.__('%1, number %2 in the log', when, event.seq);
}
