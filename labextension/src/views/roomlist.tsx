import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { escapeHidden } from '../hub/invisible';
import type { IRoomSummary } from '../hub/wire';
import { useTranslation } from './hooks';

interface IRoomListProps {
  rooms: readonly IRoomSummary[];
  /** The name of the room that is shown; null: none is. */
  current: string | null;
  connected: boolean;
  onJoin: (room: string) => void;
}

/** The rooms to choose from, and a field to name another one. */
export function RoomList(props: IRoomListProps): JSX.Element {
  const trans = useTranslation();
  const { rooms, current, connected, onJoin } = props;
  return (
    <section className="jp-Rtmsg-rooms" aria-label={trans.__('Rooms')}>
      <JoinForm connected={connected} onJoin={onJoin} />
      {rooms.length === 0 && connected && current === null ? (
        <p className="jp-RtmsgRoomView-hint">
          {trans.__('No rooms yet. Name one above, or join one from a notebook.')}
        </p>
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

function RoomButton({ room, current, connected, onJoin }: IRoomListProps & { room: IRoomSummary }): JSX.Element {
  const trans = useTranslation();
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

function JoinForm({ connected, onJoin }: Pick<IRoomListProps, 'connected' | 'onJoin'>): JSX.Element {
  const trans = useTranslation();
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
        className="jp-RtmsgRoomView-input"
        aria-label={trans.__('Room to join')}
        placeholder={trans.__('Room to join')}
        value={name}
        onInput={({ currentTarget }) => {
          setName(currentTarget.value);
        }}
      />
      <button type="submit" className="jp-RtmsgRoomView-button" disabled={!connected || !name.trim()}>
        {trans.__('Join')}
      </button>
    </form>
  );
}
