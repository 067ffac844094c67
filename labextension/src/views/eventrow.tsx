import { Component, type JSX } from 'preact';

import type { ITranslation } from '../hub/translation';
import { timeText } from './format';
import type { IEventRow } from './model';
import { ROW_HEIGHT } from './rowwindow';

interface IEventRowProps {
  row: IEventRow;
  /** Its index among the rows that are shown, and their number. */
  index: number;
  count: number;
  id: string;
  active: boolean;
  selected: boolean;
  onSelect: (row: IEventRow) => void;
  onMenu: ((event: MouseEvent, row: IEventRow) => void) | undefined;
  trans: ITranslation;
}

/** An event on one line. It renders again only if something of it has changed: a busy room renders its timeline often. */
export class EventRow extends Component<IEventRowProps> {
  override shouldComponentUpdate(next: IEventRowProps): boolean {
    const { row, index, count, active, selected } = this.props;
    return (
      row !== next.row ||
      index !== next.index ||
      count !== next.count ||
      active !== next.active ||
      selected !== next.selected
    );
  }

  override render({ row, index, count, id, active, selected, trans }: IEventRowProps): JSX.Element {
    return (
      <div
        id={id}
        className="jp-RtmsgRoomView-event"
        role="option"
        aria-selected={selected}
        aria-posinset={index + 1}
        aria-setsize={count}
        data-active={String(active)}
        data-replay={String(row.replay)}
        data-missed={String(row.missed === true)}
        style={{ top: `${index * ROW_HEIGHT}px` }}
        onClick={this.select}
        onContextMenu={this.menu}
      >
        <time className="jp-RtmsgRoomView-time" dateTime={isoText(row.ts)} title={position(row, trans)}>
          {timeText(row.ts)}
        </time>
        <bdi className="jp-RtmsgRoomView-eventName" title={row.name}>
          {row.name}
        </bdi>
        <span className="jp-RtmsgRoomView-sender" title={row.title}>
          <bdi className="jp-RtmsgRoomView-senderName">{row.sender}</bdi>
          {row.user && <bdi className="jp-RtmsgRoomView-senderUser"> {row.user}</bdi>}
        </span>
        {row.replay && <ReplayMark label={trans.__('replayed')} />}
        {row.data !== null && <code className="jp-RtmsgRoomView-data">{row.data}</code>}
      </div>
    );
  }

  private readonly select = (): void => {
    this.props.onSelect(this.props.row);
  };

  private readonly menu = (event: MouseEvent): void => {
    this.props.onMenu?.(event, this.props.row);
  };
}

function ReplayMark({ label }: { label: string }): JSX.Element {
  return (
    <span className="jp-RtmsgRoomView-replay" role="img" aria-label={label} title={label}>
      ↺
    </span>
  );
}

/** Return a time in milliseconds since 1970 as ISO 8601; empty where no calendar has it. */
export function isoText(ts: number): string {
  const date = new Date(ts);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

function position({ ts, seq }: IEventRow, trans: ITranslation): string {
  const when = isoText(ts);
  return seq === null ? trans.__('%1, volatile', when) : trans.__('%1, number %2 in the log', when, seq);
}
