import type { ComponentChildren, JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';

import { EmitForm } from './emitform';
import { useChanges, useTranslation } from './hooks';
import { Inspector } from './inspector';
import { MemberList } from './memberlist';
import type { IEventRow, IRoomModel } from './model';
import { StatusBadge } from './statusbadge';
import { Timeline } from './timeline';

interface IRoomViewProps {
  room: IRoomModel;
  /** Buttons beside the room's name. */
  actions?: ComponentChildren;
  /** What is shown between the room's name and its members. */
  sections?: ComponentChildren;
  /** Called when the context menu of an event is asked for. */
  onMenu?: ((event: MouseEvent, row: IEventRow) => void) | undefined;
}

/** A room: its members, its latest events as they come, one of them in full, and a form to emit one. */
export function RoomView({ room, actions, sections, onMenu }: IRoomViewProps): JSX.Element {
  const trans = useTranslation();
  useChanges(room);
  return (
    <section className="jp-RtmsgRoomView" aria-label={trans.__('Room %1', room.name)}>
      <RoomHead room={room} actions={actions} />
      {room.error === null ? (
        <>
          {sections}
          <RoomBody room={room} onMenu={onMenu} />
        </>
      ) : (
        <p role="alert" className="jp-RtmsgRoomView-error">
          {room.error}
        </p>
      )}
    </section>
  );
}

function RoomBody({ room, onMenu }: IRoomViewProps): JSX.Element {
  const body = useRef<HTMLDivElement>(null);
  const [inspected, setInspected] = useState<IEventRow | null>(null);
  const focus = (selector: string): void => {
    body.current?.querySelector<HTMLElement>(selector)?.focus();
  };
  return (
    <div ref={body} className="jp-RtmsgRoomView-body">
      <MemberList room={room} />
      <Timeline
        name={room.name}
        rows={room.rows}
        earlier={room.earlier}
        selected={inspected}
        onSelect={setInspected}
        onMenu={onMenu}
        onEmit={() => {
          focus('.jp-RtmsgRoomView-form textarea');
        }}
      />
      {inspected && (
        <Inspector
          room={room}
          row={inspected}
          onClose={() => {
            setInspected(null);
            focus('.jp-RtmsgRoomView-events');
          }}
        />
      )}
      <EmitForm room={room} />
    </div>
  );
}

function RoomHead({ room, actions }: Pick<IRoomViewProps, 'room' | 'actions'>): JSX.Element {
  const trans = useTranslation();
  const missed = trans.__('%1 missed while away', room.missed.toLocaleString());
  return (
    <div className="jp-RtmsgRoomView-head">
      <h3 className="jp-RtmsgRoomView-name">{room.name}</h3>
      {room.missed > 0 && <span className="jp-RtmsgRoomView-missed">{missed}</span>}
      {room.status && <StatusBadge {...room.status} />}
      {actions}
    </div>
  );
}
