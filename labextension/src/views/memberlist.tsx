import type { JSX } from 'preact';

import { useTranslation } from './hooks';
import type { IRoomModel } from './model';

/** The members of a room. Members whose connection was lost a moment ago are shown as away. */
export function MemberList({ room }: { room: IRoomModel }): JSX.Element {
  const trans = useTranslation();
  return (
    <ul className="jp-RtmsgRoomView-members" aria-label={trans.__('Members')}>
      {room.members.map(({ key, label, title, state }) => (
        <li key={key} className="jp-RtmsgRoomView-member" data-state={state} title={title}>
          <bdi>{label}</bdi>
          {state === 'away' && ` ${trans.__('(away)')}`}
        </li>
      ))}
      {room.unlisted > 0 && <li className="jp-RtmsgRoomView-member">{trans.__('and %1 more', room.unlisted)}</li>}
    </ul>
  );
}
