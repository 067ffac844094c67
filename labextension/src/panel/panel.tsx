import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { type ISignal, Signal } from '@lumino/signaling';
import type { JSX, VNode } from 'preact';

import type { IRoom, IRtmsg } from '../tokens';
import { Translation, useTranslation } from '../views/hooks';
import { HubHead } from '../views/hubhead';
import { RoomList } from '../views/roomlist';
import { RoomView } from '../views/roomview';
import { PreactWidget } from './host';
import { Icon, messagesIcon } from './icon';
import { PanelRoom } from './roommodel';
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
    private readonly trans: TranslationBundle
  ) {
    super();
    this.id = 'jp-rtmsg-panel';
    this.addClass('jp-Rtmsg');
    this.title.icon = messagesIcon;
    this.title.caption = trans.__('Messages: rooms and live events');
    hub.outdated.connect(this.outdated);
    document.addEventListener('visibilitychange', this.attend);
  }

  /** The room that is shown; null: none is. */
  get room(): IRoom | null {
    return this._shown?.room ?? null;
  }

  /** The room that is shown, as views show it. */
  get shown(): PanelRoom | null {
    return this._shown;
  }

  /** Emitted when another room is shown. */
  get roomChanged(): ISignal<this, void> {
    return this._roomChanged;
  }

  /** Join a room and show it, and leave the one shown before: a member of a room is somebody who sees it. */
  enter(name: string | null): void {
    if (name === this._shown?.name) {
      return;
    }
    this.room?.leave();
    this._shown = name === null ? null : new PanelRoom(this.hub.join(name, { follow: false }), this.hub, this.trans);
    this._roomChanged.emit();
  }

  override dispose(): void {
    window.clearTimeout(this._retry);
    document.removeEventListener('visibilitychange', this.attend);
    this.hub.outdated.disconnect(this.outdated);
    this.room?.leave();
    this._attending?.dispose();
    super.dispose();
  }

  protected override view(): VNode {
    return (
      <Translation.Provider value={this.trans}>
        <Panel hub={this.hub} panel={this} />
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
  private _shown: PanelRoom | null = null;
  private readonly _roomChanged = new Signal<this, void>(this);
}

interface IPanelProps {
  hub: IRtmsg;
  panel: MessagesPanel;
}

function Panel({ hub, panel }: IPanelProps): JSX.Element {
  useSignal(hub.changed);
  useSignal(panel.roomChanged);
  const { shown } = panel;
  return (
    <>
      <HubHead state={hub.state} advice={hub.advice} warning={hub.warning} />
      <RoomList
        rooms={hub.rooms}
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
        panel.enter(null);
      }}
    >
      <Icon icon={closeIcon} />
    </button>
  );
}
