import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Client } from '../client';
import { IRtmsg } from '../tokens';

/** Milliseconds until a connection rests that nobody needs. */
const REST_AFTER = 600_000;

/** JupyterHub's proxy takes the heartbeats of a connection for activity of the user, and would keep the server running. */
function isUnderJupyterHub(): boolean {
  return PageConfig.getOption('hubPrefix') !== '' || PageConfig.getOption('hubUser') !== '';
}

/** Provides the hub to all who ask for its token. */
export const clientPlugin: JupyterFrontEndPlugin<IRtmsg> = {
  id: 'jupyter-rtmsg:client',
  description: 'The connection to the real-time hub of the Jupyter server.',
  autoStart: true,
  provides: IRtmsg,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null): IRtmsg => {
    const { serverSettings: settings } = app.serviceManager;
    const trans = (translator ?? nullTranslator).load('jupyter_rtmsg');
    return new Client({ settings, trans, restAfter: isUnderJupyterHub() ? REST_AFTER : null });
  }
};
