import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Client } from '../hub/client';
import type { IServer } from '../hub/connection';
import { IRtmsg } from '../tokens';

/** Milliseconds without a holder until the connection rests. */
const REST_AFTER = 600_000;

/**
 * Whether the server is a user's server of JupyterHub. Its proxy takes the heartbeats of a connection for activity of the
 * user, and would keep the server running.
 */
function isUnderJupyterHub(): boolean {
  return PageConfig.getOption('hubPrefix') !== '' || PageConfig.getOption('hubUser') !== '';
}

/** The Jupyter server of this page. */
function serverOf(settings: ServerConnection.ISettings): IServer {
  const status = URLExt.join(settings.baseUrl, 'rtmsg', 'api', 'status');
  return {
    socketUrl: new URL(URLExt.join(settings.baseUrl, 'socket.io/'), window.location.href),
    token: settings.token,
    status: () => ServerConnection.makeRequest(status, {}, settings)
  };
}

/** Provides the hub to the extensions that ask for its token. */
export const clientPlugin: JupyterFrontEndPlugin<IRtmsg> = {
  id: 'jupyter-rtmsg:client',
  description: 'The connection to the real-time hub of the Jupyter server.',
  autoStart: true,
  provides: IRtmsg,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null): IRtmsg => {
    const server = serverOf(app.serviceManager.serverSettings);
    const trans = (translator ?? nullTranslator).load('jupyter_rtmsg');
    return new Client({ server, trans, restAfter: isUnderJupyterHub() ? REST_AFTER : null });
  }
};
