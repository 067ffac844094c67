import type { ComponentChildren, JSX } from 'preact';
import { useContext } from 'preact/hooks';

import type { IRtmsg } from '../tokens';
import { Page } from '../views/hooks';
import { RoomView } from '../views/roomview';
import type { OpenSections } from './opensections';
import type { PanelRoom } from './roommodel';
import { RoomSections } from './sections';

interface IRoomPaneProps {
  hub: IRtmsg;
  room: PanelRoom;
  sections: OpenSections;
  /** Whether people see it. */
  isSeen: boolean;
  /** Buttons beside the room's name. */
  actions?: ComponentChildren;
}

/** A room in the panel or in a tab: its sections and its view, with a menu for each event. */
export function RoomPane({ hub, room, sections, isSeen, actions }: IRoomPaneProps): JSX.Element {
  const { showMenu } = useContext(Page);
  return (
    <RoomView
      room={room}
      actions={actions}
      sections={<RoomSections hub={hub} room={room.room} open={sections} isSeen={isSeen} />}
      onMenu={(event, row) => showMenu?.(event, room, row)}
    />
  );
}
