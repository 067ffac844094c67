import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import { useTranslation } from './hooks';
import { StatusBadge, stateText } from './statusbadge';

interface IHubHeadProps {
  state: string;
  /** What is wrong and what to do; empty when connected. */
  advice: string;
  /** A warning of the server; null: there is none. */
  warning: string | null;
  /** The time of the next attempt to connect; null or missing: none is planned. */
  retryAt?: number | null;
  onRetry?: () => void;
}

/** The head of the panel: its title, and the state of the connection. */
export function HubHead({ state, advice, warning, retryAt = null, onRetry }: IHubHeadProps): JSX.Element {
  const trans = useTranslation();
  return (
    <header className="jp-Rtmsg-header" role="group" aria-label={trans.__('Connection to the hub')}>
      <h2>{trans.__('Messages')}</h2>
      <StatusBadge state={state} text={stateText(state, trans)} />
      {advice && <p className="jp-Rtmsg-advice">{advice}</p>}
      {retryAt !== null && onRetry && <Retry key={retryAt} at={retryAt} onRetry={onRetry} />}
      {warning && (
        <p role="alert" className="jp-Rtmsg-warning">
          {warning}
        </p>
      )}
    </header>
  );
}

/** When the next attempt to connect is, and a button that makes it now. The clock ticks only while it waits. */
function Retry({ at, onRetry }: { at: number; onRetry: () => void }): JSX.Element {
  const trans = useTranslation();
  const [now, setNow] = useState(Date.now());
  const seconds = Math.max(Math.ceil((at - now) / 1_000), 0);
  useEffect(() => {
    const timer = setTimeout(() => {
      setNow(Date.now());
    }, 1_000);
    return () => {
      clearTimeout(timer);
    };
  }, [now]);
  return (
    <p className="jp-Rtmsg-advice">
      {trans._n('Next try in %1 s.', 'Next try in %1 s.', seconds, seconds)}{' '}
      <button type="button" className="jp-RtmsgTool" onClick={onRetry}>
        {trans.__('Retry now')}
      </button>
    </p>
  );
}
