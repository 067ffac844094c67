import { Component, type JSX } from 'preact';

import type { ITranslation } from '../hub/translation';
import { timeText } from './format';
import type { IEventRow } from './model';

interface IEventRowProps {
  row: IEventRow;
  trans: ITranslation;
}

/** An event. It renders once per row: a busy room renders its timeline twenty times a second, and data may be large. */
export class EventRow extends Component<IEventRowProps> {
  override shouldComponentUpdate({ row }: IEventRowProps): boolean {
    return row !== this.props.row;
  }

  override render({ row, trans }: IEventRowProps): JSX.Element {
    return (
      <div className="jp-RtmsgRoomView-event" data-replay={String(row.replay)}>
        <div className="jp-RtmsgRoomView-eventHead">
          <bdi className="jp-RtmsgRoomView-eventName" title={row.name}>
            {row.name}
          </bdi>
          <span className="jp-RtmsgRoomView-sender" title={row.title}>
            <bdi className="jp-RtmsgRoomView-senderName">{row.sender}</bdi>
            {row.user && <bdi className="jp-RtmsgRoomView-senderUser"> {row.user}</bdi>}
          </span>
          {row.replay && <ReplayMark label={trans.__('replayed')} />}
          <time
            className="jp-RtmsgRoomView-time"
            dateTime={new Date(row.ts).toISOString()}
            title={position(row, trans)}
          >
            {timeText(row.ts)}
          </time>
        </div>
        {row.data !== null && <code className="jp-RtmsgRoomView-data">{row.data}</code>}
      </div>
    );
  }
}

function ReplayMark({ label }: { label: string }): JSX.Element {
  return (
    <span className="jp-RtmsgRoomView-replay" role="img" aria-label={label} title={label}>
      ↺
    </span>
  );
}

function position({ ts, seq }: IEventRow, trans: ITranslation): string {
  const when = new Date(ts).toLocaleString();
  return seq === null ? trans.__('%1, volatile', when) : trans.__('%1, number %2 in the log', when, seq);
}
