import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon, launchIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import type { ComponentChildren, JSX, VNode } from 'preact';

import type { IRtmsg } from '../tokens';
import { type IPage, Page, Translation, useTranslation } from '../views/hooks';
import { HubHead } from '../views/hubhead';
import { RoomList } from '../views/roomlist';
import { Attendance } from './attendance';
import { PreactWidget } from './host';
import { Icon, messagesIcon } from './icon';
import { OpenSections } from './opensections';
import { RoomPane } from './roompane';
import { JoinedRooms } from './rooms';
import { useSignal } from './signal';

/** Milliseconds until the rooms are asked for again when the hub did not answer. */
const RETRY_AFTER = 5_000;

/**
 * The side panel: the list of rooms, and one of them from within.
 *
 * `_attendance` holds the connection while people see it. `_isOutdated` tells that the rooms have changed since they were
 * asked for; they are asked for when people see the panel.
 */
export class MessagesPanel extends PreactWidget {
  constructor(
    private readonly hub: IRtmsg,
    private readonly trans: TranslationBundle,
    private readonly page: IPage,
    /** Shows a room in a tab of its own. */
    readonly openTab: (room: string) => void
  ) {
    super();
    this.rooms = new JoinedRooms(hub, trans);
    this.id = 'jp-rtmsg-panel';
    this.addClass('jp-Rtmsg');
    this.title.icon = messagesIcon;
    this.title.caption = trans.__('Messages: rooms and live events');
    hub.outdated.connect(this.outdated);
    this._attendance = new Attendance(this, hub);
    this._attendance.updated.connect(({ isSeen }) => {
      this.rooms.isSeen = isSeen;
      this.ask();
    });
  }

  /** The rooms that the panel has joined. */
  readonly rooms: JoinedRooms;

  /** The sections that people have opened. */
  readonly sections = new OpenSections();

  /** Join a room, unless it is joined, and show it; null: show none. The other rooms stay joined. */
  enter(name: string | null): void {
    this.rooms.show(name);
  }

  override dispose(): void {
    window.clearTimeout(this._retry);
    this._attendance.dispose();
    this.hub.outdated.disconnect(this.outdated);
    this.rooms.dispose();
    super.dispose();
  }

  protected override view(): VNode {
    return (
      <Translation.Provider value={this.trans}>
        <Page.Provider value={this.page}>
          <Panel hub={this.hub} panel={this} />
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

  private readonly outdated = (): void => {
    this._isOutdated = true;
    this.ask();
  };

  /** Ask for the rooms, if people see them and they have changed. */
  private readonly ask = (): void => {
    if (!this._isOutdated || !this.rooms.isSeen) {
      return;
    }
    this._isOutdated = false;
    window.clearTimeout(this._retry);
    this.hub.refresh().catch(() => {
      this._isOutdated = true;
      this._retry = window.setTimeout(this.ask, RETRY_AFTER);
    });
  };

  private readonly _attendance: Attendance;
  private _isOutdated = true;
  private _retry = 0;
}

interface IPanelProps {
  hub: IRtmsg;
  panel: MessagesPanel;
}

function Panel({ hub, panel }: IPanelProps): JSX.Element {
  const { rooms } = panel;
  useSignal(hub.changed);
  useSignal(rooms.changed);
  const shown = rooms.current;
  return (
    <>
      <HubHead
        state={hub.state}
        advice={hub.advice}
        warning={hub.warning}
        retryAt={hub.retryAt}
        onRetry={() => {
          hub.retryNow();
        }}
      />
      <RoomList
        rooms={hub.rooms}
        joined={rooms.all}
        current={shown?.name ?? null}
        connected={hub.state === 'connected'}
        onJoin={room => {
          panel.enter(room);
        }}
      />
      {shown && (
        <RoomPane
          key={shown.name}
          hub={hub}
          room={shown}
          sections={panel.sections}
          isSeen={rooms.isSeen}
          actions={<Buttons panel={panel} room={shown.name} />}
        />
      )}
    </>
  );
}

function Buttons({ panel, room }: { panel: MessagesPanel; room: string }): JSX.Element {
  const trans = useTranslation();
  return (
    <span className="jp-Rtmsg-buttons">
      <IconButton
        label={trans.__('Open %1 as a tab', room)}
        onClick={() => {
          panel.openTab(room);
        }}
      >
        <Icon icon={launchIcon} />
      </IconButton>
      <IconButton
        label={trans.__('Leave %1', room)}
        onClick={() => {
          panel.rooms.leave(room);
          panel.node.querySelector<HTMLElement>('.jp-Rtmsg-rooms input')?.focus();
        }}
      >
        <Icon icon={closeIcon} />
      </IconButton>
    </span>
  );
}

interface IIconButtonProps {
  label: string;
  onClick: () => void;
  children: ComponentChildren;
}

function IconButton({ label, onClick, children }: IIconButtonProps): JSX.Element {
  return (
    <button type="button" className="jp-Rtmsg-iconButton" title={label} aria-label={label} onClick={onClick}>
      {children}
    </button>
  );
}
