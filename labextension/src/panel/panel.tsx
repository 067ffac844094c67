import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import type { JSX, VNode } from 'preact';

import type { IRtmsg } from '../tokens';
import { type IPage, Page, Translation, useTranslation } from '../views/hooks';
import { HubHead } from '../views/hubhead';
import { RoomList } from '../views/roomlist';
import { RoomView } from '../views/roomview';
import { PreactWidget } from './host';
import { Icon, messagesIcon } from './icon';
import { JoinedRooms } from './rooms';
import { useSignal } from './signal';

/** Milliseconds until the rooms are asked for again when the hub did not answer. */
const RETRY_AFTER = 5_000;

/**
 * The side panel: the list of rooms, and one of them from within.
 *
 * It holds the connection while people see it: `_attending` is set exactly then. `_isOutdated` tells that the rooms have
 * changed since they were asked for; they are asked for when people see the panel.
 */
export class MessagesPanel extends PreactWidget {
  constructor(
    private readonly hub: IRtmsg,
    private readonly trans: TranslationBundle,
    private readonly page: IPage
  ) {
    super();
    this.rooms = new JoinedRooms(hub, trans);
    this.id = 'jp-rtmsg-panel';
    this.addClass('jp-Rtmsg');
    this.title.icon = messagesIcon;
    this.title.caption = trans.__('Messages: rooms and live events');
    hub.outdated.connect(this.outdated);
    document.addEventListener('visibilitychange', this.attend);
  }

  /** The rooms that the panel has joined. */
  readonly rooms: JoinedRooms;

  /** Join a room, unless it is joined, and show it; null: show none. The other rooms stay joined. */
  enter(name: string | null): void {
    this.rooms.show(name);
  }

  override dispose(): void {
    window.clearTimeout(this._retry);
    document.removeEventListener('visibilitychange', this.attend);
    this.hub.outdated.disconnect(this.outdated);
    this.rooms.dispose();
    this._attending?.dispose();
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
    this.attend();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.attend();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.attend();
  }

  private readonly outdated = (): void => {
    this._isOutdated = true;
    this.ask();
  };

  private get isSeen(): boolean {
    return this.isVisible && !document.hidden;
  }

  /** Hold the connection while people see the panel. */
  private readonly attend = (): void => {
    this.rooms.isSeen = this.isSeen;
    if (this.isSeen) {
      this._attending ??= this.hub.attend();
      this.ask();
    } else {
      this._attending?.dispose();
      this._attending = null;
    }
  };

  /** Ask for the rooms, if people see them and they have changed. */
  private readonly ask = (): void => {
    if (!this._isOutdated || !this.isSeen) {
      return;
    }
    this._isOutdated = false;
    window.clearTimeout(this._retry);
    this.hub.refresh().catch(() => {
      this._isOutdated = true;
      this._retry = window.setTimeout(this.ask, RETRY_AFTER);
    });
  };

  private _attending: IDisposable | null = null;
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
      {shown && <RoomView key={shown.name} room={shown} actions={<LeaveButton panel={panel} room={shown.name} />} />}
    </>
  );
}

function LeaveButton({ panel, room }: { panel: MessagesPanel; room: string }): JSX.Element {
  const leave = useTranslation().__('Leave %1', room);
  return (
    <button
      type="button"
      className="jp-Rtmsg-leave"
      title={leave}
      aria-label={leave}
      onClick={() => {
        panel.rooms.leave(room);
        panel.node.querySelector<HTMLElement>('.jp-Rtmsg-rooms input')?.focus();
      }}
    >
      <Icon icon={closeIcon} />
    </button>
  );
}
