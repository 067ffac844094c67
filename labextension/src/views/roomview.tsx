import type { ComponentChildren, JSX } from 'preact';

import { EmitForm } from './emitform';
import { useChanges, useTranslation } from './hooks';
import { MemberList } from './memberlist';
import type { IRoomModel } from './model';
import { StatusBadge } from './statusbadge';
import { Timeline } from './timeline';

interface IRoomViewProps {
  room: IRoomModel;
  /** Buttons beside the room's name. */
  actions?: ComponentChildren;
}

/** A room: its members, its latest events as they come, and a form to emit one. */
export function RoomView({ room, actions }: IRoomViewProps): JSX.Element {
  const trans = useTranslation();
  useChanges(room);
  return (
    <section className="jp-RtmsgRoomView" aria-label={trans.__('Room %1', room.name)}>
      <RoomHead room={room} actions={actions} />
      {room.error === null ? (
        <>
          <MemberList room={room} />
          <Timeline name={room.name} rows={room.rows} />
          <EmitForm room={room} />
        </>
      ) : (
        <p role="alert" className="jp-RtmsgRoomView-error">
          {room.error}
        </p>
      )}
    </section>
  );
}

function RoomHead({ room, actions }: IRoomViewProps): JSX.Element {
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
