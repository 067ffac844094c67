import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { type IMember, memberName } from './wire';

interface IMemberListProps {
  members: readonly IMember[];
  count: number;
  trans: TranslationBundle;
}

/** Who is in the room; those whose connection was lost a moment ago are shown as away. */
export function MemberList({ members, count, trans }: IMemberListProps): React.JSX.Element {
  const unnamed = count - members.length;
  return (
    <ul className="jp-Rtmsg-members" aria-label={trans.__('Members')}>
      {members.map(member => (
        <li key={member.member} className={`jp-Rtmsg-member jp-mod-${member.state}`} title={title(member)}>
          {memberName(member)}
          {member.state === 'away' && <small> {trans.__('away')}</small>}
        </li>
      ))}
      {unnamed > 0 && <li className="jp-Rtmsg-member">{trans.__('and %1 more', unnamed)}</li>}
    </ul>
  );
}

function title(member: IMember): string {
  return [member.kind, member.user, member.notebook].filter(Boolean).join(' · ');
}
