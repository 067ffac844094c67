import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon, ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { type ISignal, Signal } from '@lumino/signaling';
import React from 'react';

import { EmitForm } from './emitform';
import { useSignal } from './hooks';
import { messagesIcon } from './icon';
import { MemberList } from './memberlist';
import { RoomList } from './roomlist';
import { Timeline } from './timeline';
import type { IRoom, IRtmsg, State } from './tokens';

/** Milliseconds until the rooms are asked for again when the hub did not answer. */
const RETRY_AFTER = 5_000;

/** The side panel: the rooms, and one of them from within. */
export class MessagesPanel extends ReactWidget {
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

  /** The room that is shown; null when none is joined. */
  get room(): IRoom | null {
    return this._room;
  }

  /** Emitted when another room is shown. */
  get roomChanged(): ISignal<this, void> {
    return this._roomChanged;
  }

  /** Join a room and show it, and leave the one shown before: who is in a room is seen by its members. */
  enter(name: string | null): void {
    if (name === this._room?.name) {
      return;
    }
    this._room?.leave();
    this._room = name === null ? null : this.hub.join(name, { follow: false });
    this._roomChanged.emit();
  }

  override dispose(): void {
    window.clearTimeout(this._retry);
    document.removeEventListener('visibilitychange', this.attend);
    this.hub.outdated.disconnect(this.outdated);
    this._room?.leave();
    this._attending?.dispose();
    super.dispose();
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

  /** Need the connection while somebody sees the panel. */
  private readonly attend = (): void => {
    if (this.isSeen) {
      this._attending ??= this.hub.attend();
      this.ask();
    } else {
      this._attending?.dispose();
      this._attending = null;
    }
  };

  /** Ask for the rooms, if somebody sees them and they have changed. */
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

  protected override render(): React.JSX.Element {
    return <Panel hub={this.hub} panel={this} trans={this.trans} />;
  }

  private _attending: IDisposable | null = null;
  private _isOutdated = true;
  private _retry = 0;
  private readonly _roomChanged = new Signal<this, void>(this);
  private _room: IRoom | null = null;
}

interface IPanelProps {
  hub: IRtmsg;
  panel: MessagesPanel;
  trans: TranslationBundle;
}

function Panel({ hub, panel, trans }: IPanelProps): React.JSX.Element {
  useSignal(hub.changed);
  useSignal(panel.roomChanged);
  const connected = hub.state === 'connected';
  return (
    <>
      <Header hub={hub} trans={trans} />
      <RoomList
        rooms={hub.rooms}
        current={panel.room?.name ?? null}
        connected={connected}
        trans={trans}
        onJoin={room => {
          panel.enter(room);
        }}
      />
      {panel.room && (
        <RoomView key={panel.room.name} room={panel.room} connected={connected} panel={panel} trans={trans} />
      )}
    </>
  );
}

function Header({ hub, trans }: Omit<IPanelProps, 'panel'>): React.JSX.Element {
  const states: Record<State, string> = {
    idle: trans.__('Not connected'),
    connecting: trans.__('Connecting…'),
    connected: trans.__('Connected'),
    offline: trans.__('Offline'),
    missing: trans.__('Not available'),
    refused: trans.__('Refused')
  };
  return (
    <header className="jp-Rtmsg-header">
      <h2>{trans.__('Messages')}</h2>
      <span role="status" className={`jp-Rtmsg-state jp-mod-${hub.state}`}>
        {states[hub.state]}
      </span>
      {hub.advice && <p className="jp-Rtmsg-advice">{hub.advice}</p>}
      {hub.warning && (
        <p role="alert" className="jp-Rtmsg-warning">
          {hub.warning}
        </p>
      )}
    </header>
  );
}

interface IRoomViewProps {
  room: IRoom;
  connected: boolean;
  panel: MessagesPanel;
  trans: TranslationBundle;
}

function RoomView({ room, connected, panel, trans }: IRoomViewProps): React.JSX.Element {
  useSignal(room.changed);
  const leave = trans.__('Leave %1', room.name);
  return (
    <section className="jp-Rtmsg-roomView" aria-label={room.name}>
      <div className="jp-Rtmsg-roomHead">
        <h3>{room.name}</h3>
        <button
          type="button"
          className="jp-Rtmsg-leave"
          title={leave}
          aria-label={leave}
          onClick={() => {
            panel.enter(null);
          }}
        >
          <closeIcon.react tag="span" />
        </button>
      </div>
      {room.error === null ? (
        <>
          <MemberList room={room} trans={trans} />
          <Timeline room={room} trans={trans} />
          <EmitForm room={room} connected={connected} trans={trans} />
        </>
      ) : (
        <p role="alert" className="jp-Rtmsg-error">
          {room.error}
        </p>
      )}
    </section>
  );
}
