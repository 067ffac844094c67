import type { TranslationBundle } from '@jupyterlab/translation';
import React, { useState } from 'react';

import { escapeHidden } from './invisible';
import type { IRoomSummary } from './wire';

interface IRoomListProps {
  rooms: readonly IRoomSummary[];
  current: string | null;
  connected: boolean;
  trans: TranslationBundle;
  onJoin: (room: string) => void;
}

/** The rooms to choose from, and a field for the name of one that is not among them. */
export function RoomList(props: IRoomListProps): React.JSX.Element {
  const { rooms, trans } = props;
  return (
    <section className="jp-Rtmsg-rooms" aria-label={trans.__('Rooms')}>
      <JoinForm {...props} />
      {rooms.length === 0 && props.connected && props.current === null ? (
        <p className="jp-Rtmsg-hint">{trans.__('No rooms yet. Name one above, or join one from a notebook.')}</p>
      ) : (
        <ul>
          {rooms.map(room => (
            <li key={room.room}>
              <RoomButton {...props} room={room} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function RoomButton({
  room,
  current,
  connected,
  trans,
  onJoin
}: IRoomListProps & { room: IRoomSummary }): React.JSX.Element {
  const members = trans._n('%1 member', '%1 members', room.members, room.members);
  const events = trans._n('%1 event', '%1 events', room.count, room.count);
  return (
    <button
      type="button"
      className="jp-Rtmsg-room"
      aria-current={room.room === current}
      disabled={!connected}
      onClick={() => {
        onJoin(room.room);
      }}
    >
      <bdi className="jp-Rtmsg-roomName">{escapeHidden(room.room)}</bdi>
      <span className="jp-Rtmsg-roomCounts">{`${members} · ${events}`}</span>
    </button>
  );
}

function JoinForm({ connected, trans, onJoin }: IRoomListProps): React.JSX.Element {
  const [name, setName] = useState('');
  return (
    <form
      className="jp-Rtmsg-join"
      onSubmit={event => {
        event.preventDefault();
        onJoin(name.trim());
        setName('');
      }}
    >
      <input
        className="jp-mod-styled"
        aria-label={trans.__('Room to join')}
        placeholder={trans.__('Room to join')}
        value={name}
        onChange={event => {
          setName(event.target.value);
        }}
      />
      <button type="submit" className="jp-mod-styled jp-Rtmsg-button" disabled={!connected || !name.trim()}>
        {trans.__('Join')}
      </button>
    </form>
  );
}
