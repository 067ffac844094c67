import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { escapeHidden } from '../hub/invisible';
import { isRoomName, similarRoomName } from '../hub/roomname';
import type { IRoomSummary } from '../hub/wire';
import { useTranslation, useUniqueId } from './hooks';

/** A room that is joined, as the list shows it. */
export interface IJoinedItem {
  readonly name: string;
  /** The number of events that came while nobody looked. */
  readonly unseen: number;
}

const RULE = '"%1" cannot be the name of a room: it has 1 to 128 letters, digits, _, ~ and -, and dots between them.';

/** From this number of rooms on they can be filtered. */
const MANY = 8;

interface IRoomListProps {
  rooms: readonly IRoomSummary[];
  /** The rooms that are joined; they come first. */
  joined?: readonly IJoinedItem[];
  /** The name of the room that is shown; null: none is. */
  current: string | null;
  connected: boolean;
  onJoin: (room: string) => void;
}

/** The rooms to choose from, and a field to name another one. */
export function RoomList(props: IRoomListProps): JSX.Element {
  const trans = useTranslation();
  const [filter, setFilter] = useState('');
  const { rooms, joined = [], current, connected, onJoin } = props;
  const items = listed(rooms, joined).filter(({ room }) => room.toLowerCase().includes(filter.toLowerCase()));
  return (
    <section className="jp-Rtmsg-rooms" aria-label={trans.__('Rooms')}>
      <JoinForm connected={connected} onJoin={onJoin} />
      {rooms.length >= MANY && (
        <input
          className="jp-RtmsgRoomView-input"
          type="search"
          aria-label={trans.__('Filter rooms')}
          placeholder={trans.__('Filter %1 rooms', rooms.length.toLocaleString())}
          value={filter}
          onInput={({ currentTarget }) => {
            setFilter(currentTarget.value);
          }}
        />
      )}
      {rooms.length === 0 && connected && current === null ? (
        <p className="jp-RtmsgRoomView-hint">
          {trans.__('No rooms yet. Name one above, or join one from a notebook.')}
        </p>
      ) : (
        <ul>
          {items.map(room => (
            <li key={room.room}>
              <RoomButton
                {...props}
                room={room}
                unseen={joined.find(({ name }) => name === room.room)?.unseen ?? null}
              />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** Return the joined rooms in the order of joining, and then the others, the one with the newest event first. */
function listed(rooms: readonly IRoomSummary[], joined: readonly IJoinedItem[]): IRoomSummary[] {
  const known = new Map(rooms.map(room => [room.room, room]));
  const first = joined.map(
    ({ name }) => known.get(name) ?? { room: name, members: 0, count: 0, head: 0, first: 0, bytes: 0 }
  );
  joined.forEach(({ name }) => known.delete(name));
  return [...first, ...[...known.values()].sort((a, b) => b.head - a.head)];
}

interface IRoomButtonProps extends IRoomListProps {
  room: IRoomSummary;
  /** The number of unseen events; null: the room is not joined. */
  unseen: number | null;
}

function RoomButton({ room, unseen, current, connected, onJoin }: IRoomButtonProps): JSX.Element {
  const trans = useTranslation();
  const members = trans._n('%1 member', '%1 members', room.members, room.members);
  const events = trans._n('%1 event', '%1 events', room.count, room.count);
  return (
    <button
      type="button"
      className="jp-Rtmsg-room"
      aria-current={room.room === current}
      data-joined={String(unseen !== null)}
      disabled={!connected && unseen === null}
      onClick={() => {
        onJoin(room.room);
      }}
    >
      <bdi className="jp-Rtmsg-roomName">{escapeHidden(room.room)}</bdi>
      {unseen !== null && unseen > 0 && (
        <span className="jp-Rtmsg-unseen">{trans.__('● %1 new', unseen > 99 ? '99+' : unseen)}</span>
      )}
      <span className="jp-Rtmsg-roomCounts">{`${members} · ${events}`}</span>
    </button>
  );
}

function JoinForm({ connected, onJoin }: Pick<IRoomListProps, 'connected' | 'onJoin'>): JSX.Element {
  const trans = useTranslation();
  const problemId = useUniqueId();
  const [name, setName] = useState('');
  const [refused, setRefused] = useState<string | null>(null);
  const join = (room: string): void => {
    if (isRoomName(room)) {
      onJoin(room);
      setName('');
      setRefused(null);
    } else {
      setRefused(room);
    }
  };
  const similar = refused === null ? null : similarRoomName(refused);
  return (
    <form
      className="jp-Rtmsg-join"
      onSubmit={event => {
        event.preventDefault();
        join(name.trim());
      }}
    >
      <input
        className="jp-RtmsgRoomView-input"
        aria-label={trans.__('Room to join')}
        placeholder={trans.__('Room to join')}
        value={name}
        aria-invalid={refused !== null}
        aria-describedby={refused === null ? undefined : problemId}
        onInput={({ currentTarget }) => {
          setName(currentTarget.value);
          setRefused(null);
        }}
      />
      <button type="submit" className="jp-RtmsgRoomView-button" disabled={!connected || !name.trim()}>
        {trans.__('Join')}
      </button>
      {refused !== null && (
        <p id={problemId} role="alert" className="jp-RtmsgRoomView-error">
          {trans.__(RULE, escapeHidden(refused))}
        </p>
      )}
      {similar !== null && (
        <button
          type="button"
          className="jp-RtmsgTool"
          disabled={!connected}
          onClick={() => {
            join(similar);
          }}
        >
          {trans.__('Join %1', similar)}
        </button>
      )}
    </form>
  );
}
