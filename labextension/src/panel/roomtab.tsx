import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import type { JSX, VNode } from 'preact';

import type { IRtmsg } from '../tokens';
import { type IPage, Page, Translation } from '../views/hooks';
import { HubHead } from '../views/hubhead';
import { Attendance } from './attendance';
import { PreactWidget } from './host';
import { messagesIcon } from './icon';
import type { OpenSections } from './opensections';
import type { PanelRoom } from './roommodel';
import { RoomPane } from './roompane';
import type { JoinedRooms } from './rooms';
import { useSignal } from './signal';

/** A room of the panel in a tab of its own. It closes when the room is left. */
export class RoomTab extends PreactWidget {
  constructor(
    private readonly hub: IRtmsg,
    private readonly rooms: JoinedRooms,
    readonly room: PanelRoom,
    private readonly sections: OpenSections,
    private readonly trans: TranslationBundle,
    private readonly page: IPage
  ) {
    super();
    this.addClass('jp-RtmsgTab');
    this.title.icon = messagesIcon;
    this.title.label = room.name;
    this.title.caption = trans.__('Room %1', room.name);
    rooms.changed.connect(this.closeWithRoom);
    this._attendance = new Attendance(this, hub);
    this._attendance.updated.connect(({ isSeen }) => {
      rooms.seeTab(room.name, isSeen);
    });
  }

  override dispose(): void {
    this.rooms.changed.disconnect(this.closeWithRoom);
    this.rooms.seeTab(this.room.name, false);
    this._attendance.dispose();
    super.dispose();
  }

  protected override view(): VNode {
    return (
      <Translation.Provider value={this.trans}>
        <Page.Provider value={this.page}>
          <Tab hub={this.hub} room={this.room} sections={this.sections} attendance={this._attendance} />
        </Page.Provider>
      </Translation.Provider>
    );
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._attendance.update();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._attendance.update();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._attendance.update();
  }

  private readonly closeWithRoom = (): void => {
    if (this.rooms.get(this.room.name) !== this.room) {
      this.close();
    }
  };

  private readonly _attendance: Attendance;
}

interface ITabProps {
  hub: IRtmsg;
  room: PanelRoom;
  sections: OpenSections;
  attendance: Attendance;
}

function Tab({ hub, room, sections, attendance }: ITabProps): JSX.Element {
  useSignal(hub.changed);
  useSignal(attendance.updated);
  const { state, advice, warning, retryAt } = hub;
  const retry = (): void => {
    hub.retryNow();
  };
  return (
    <>
      {state !== 'connected' && (
        <HubHead state={state} advice={advice} warning={warning} retryAt={retryAt} onRetry={retry} />
      )}
      <RoomPane hub={hub} room={room} sections={sections} isSeen={attendance.isSeen} />
    </>
  );
}
