/**
 * Return the WebSocket of the Socket.IO server of this page's own Jupyter server; null where the page is of none.
 *
 * The page tells its server's address in its configuration. The user's cookie goes along by itself, and only to the
 * page's own origin.
 */
export function ownSocket(page: Document, location: Location): string | null {
  try {
    const config = JSON.parse(page.getElementById('jupyter-config-data')?.textContent ?? '') as { baseUrl?: unknown };
    if (typeof config.baseUrl !== 'string') {
      return null;
    }
    const url = new URL(config.baseUrl, location.href);
    if (url.origin !== location.origin) {
      return null;
    }
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.pathname = `${url.pathname.replace(/\/$/, '')}/socket.io/`;
    url.search = '?EIO=4&transport=websocket';
    url.hash = '';
    return url.href;
  } catch {
    return null;
  }
}
