import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { MenuSvg } from '@jupyterlab/ui-components';

import { eventActions, type IEventAction } from '../views/eventactions';
import type { IPage } from '../views/hooks';
import type { IEventRow, IRoomModel } from '../views/model';

const ACTIONS: readonly IEventAction['id'][] = ['copy', 'copy-python', 'insert', 'emit'];

/**
 * The context menu of an event, with commands of JupyterLab. They are about the event whose menu was opened last, so
 * they are not in the palette.
 */
export class EventMenu {
  constructor(
    { commands }: JupyterFrontEnd,
    private readonly page: IPage,
    private readonly trans: TranslationBundle
  ) {
    this._menu = new MenuSvg({ commands });
    for (const id of ACTIONS) {
      const find = (): IEventAction | undefined => this._actions.find(action => action.id === id);
      const command = `rtmsg:event-${id}`;
      commands.addCommand(command, {
        label: () => find()?.label ?? trans.__('Nothing to do'),
        isVisible: () => find() !== undefined,
        isEnabled: () => find() !== undefined,
        describedBy: { args: { type: 'object', properties: {} } },
        execute: () => find() && this.run(find() as IEventAction)
      });
      this._menu.addItem({ command });
    }
  }

  /** Show the menu of an event where it was asked for. */
  show(event: MouseEvent, room: IRoomModel, row: IEventRow): void {
    if (event.shiftKey) {
      return; // JupyterLab leaves the browser's own menu there
    }
    event.preventDefault();
    event.stopPropagation();
    this._actions = eventActions(room, row, this.page, this.trans);
    this._menu.open(event.clientX, event.clientY);
  }

  private async run(action: IEventAction): Promise<void> {
    const { ok, text } = await action
      .run()
      .catch((error: unknown) => ({ ok: false, text: error instanceof Error ? error.message : String(error) }));
    Notification.emit(text, ok ? 'success' : 'error', { autoClose: ok ? 2_000 : 10_000 });
  }

  private readonly _menu: MenuSvg;
  private _actions: readonly IEventAction[] = [];
}
