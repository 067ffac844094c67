import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { title } from './names';
import type { IRoom } from './tokens';

interface IMemberListProps {
  room: IRoom;
  trans: TranslationBundle;
}

/** Who is in the room; those whose connection was lost a moment ago are shown as away. */
export function MemberList({ room, trans }: IMemberListProps): React.JSX.Element {
  const { members, count } = room;
  const unnamed = count - members.length;
  return (
    <ul className="jp-Rtmsg-members" aria-label={trans.__('Members')}>
      {members.map(member => (
        <li key={member.member} className={`jp-Rtmsg-member jp-mod-${member.state}`} title={title(member)}>
          <bdi>{room.nameOf(member)}</bdi>
          {member.state === 'away' && <small> {trans.__('away')}</small>}
        </li>
      ))}
      {unnamed > 0 && <li className="jp-Rtmsg-member">{trans.__('and %1 more', unnamed)}</li>}
    </ul>
  );
}
