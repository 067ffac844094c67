import type { JSX } from 'preact';

import type { ITranslation } from '../hub/translation';
import type { IStatus } from './model';

/** The state of a connection: a coloured dot, and the state in words. */
export function StatusBadge({ state, text }: IStatus): JSX.Element {
  return (
    <span role="status" className="jp-RtmsgRoomView-state" data-state={state}>
      {text}
    </span>
  );
}

/** Return a state of the panel's connection, or of a kernel's, in words. */
export function stateText(state: string, trans: ITranslation): string {
  const texts: Record<string, string> = {
    idle: trans.__('Not connected'),
    connecting: trans.__('Connecting…'),
    connected: trans.__('Connected'),
    offline: trans.__('Offline'),
    missing: trans.__('Not available'),
    refused: trans.__('Refused'),
    closed: trans.__('Closed')
  };
  return texts[state] ?? state;
}
