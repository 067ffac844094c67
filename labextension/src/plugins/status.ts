import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Throttler } from '@lumino/polling';

import { StatusItem } from '../panel/statusitem';
import { IMessages, IRtmsg } from '../tokens';

/** The shortest time between two changes of the item, in milliseconds. */
const INTERVAL = 1_000;

/** Shows in the status bar how many events nobody has looked at, and the state of the connection where it is lost. */
export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-rtmsg:status',
  description: 'New messages, and the state of the connection, in the status bar.',
  autoStart: true,
  requires: [IRtmsg, IMessages],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    hub: IRtmsg,
    messages: IMessages,
    bar: IStatusBar | null,
    translator: ITranslator | null
  ): void => {
    if (!bar) {
      return;
    }
    const trans = (translator ?? nullTranslator).load('jupyter_rtmsg');
    const item = new StatusItem(hub, messages, trans, () => void app.commands.execute('rtmsg:open'));
    const throttler = new Throttler(
      () => {
        item.update();
      },
      { limit: INTERVAL, edge: 'trailing' }
    );
    const changed = (): void => void throttler.invoke();
    hub.changed.connect(changed);
    messages.changed.connect(changed);
    bar.registerStatusItem('jupyter-rtmsg:status', {
      item,
      align: 'right',
      rank: 50,
      isActive: () => hub.state !== 'idle'
    });
  }
};
