import type { JSX } from 'preact';

import { useTranslation } from './hooks';
import { StatusBadge, stateText } from './statusbadge';

interface IHubHeadProps {
  state: string;
  /** What is wrong and what to do; empty when connected. */
  advice: string;
  /** A warning of the server; null: there is none. */
  warning: string | null;
}

/** The head of the panel: its title, and the state of the connection. */
export function HubHead({ state, advice, warning }: IHubHeadProps): JSX.Element {
  const trans = useTranslation();
  return (
    <header className="jp-Rtmsg-header">
      <h2>{trans.__('Messages')}</h2>
      <StatusBadge state={state} text={stateText(state, trans)} />
      {advice && <p className="jp-Rtmsg-advice">{advice}</p>}
      {warning && (
        <p role="alert" className="jp-Rtmsg-warning">
          {warning}
        </p>
      )}
    </header>
  );
}
