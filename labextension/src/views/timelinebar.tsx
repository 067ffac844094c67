import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { useTranslation } from './hooks';
import type { IEarlier, Row } from './model';

interface ITimelineBarProps {
  /** The rows that pass the filter. */
  rows: readonly Row[];
  /** The number of all rows. */
  total: number;
  earlier: IEarlier | undefined;
  paused: boolean;
  onPause: () => void;
  isFilterShown: boolean;
  onFilter: () => void;
  /** Called with the index of the first missed row. */
  onMissed: (index: number) => void;
}

/** What can be done with the timeline, and how much of it is shown. */
export function TimelineBar(props: ITimelineBarProps): JSX.Element {
  const { rows, total, earlier, paused, onPause, isFilterShown, onFilter, onMissed } = props;
  const trans = useTranslation();
  const missed = rows.findIndex(row => row.kind === 'event' && row.missed === true);
  return (
    <div className="jp-RtmsgTimeline-bar" role="toolbar" aria-label={trans.__('Timeline')}>
      {earlier?.more === true && <EarlierButton earlier={earlier} />}
      {missed >= 0 && (
        <button
          type="button"
          className="jp-RtmsgTool"
          onClick={() => {
            onMissed(missed);
          }}
        >
          {trans.__('First missed')}
        </button>
      )}
      <span className="jp-RtmsgTimeline-count">
        {rows.length === total
          ? trans._n('%1 line', '%1 lines', total, total.toLocaleString())
          : trans.__('%1 of %2', rows.length.toLocaleString(), total.toLocaleString())}
      </span>
      <button type="button" className="jp-RtmsgTool" aria-pressed={paused} title={trans.__('Space')} onClick={onPause}>
        {paused ? trans.__('Resume') : trans.__('Pause')}
      </button>
      <button type="button" className="jp-RtmsgTool" aria-expanded={isFilterShown} title="/" onClick={onFilter}>
        {trans.__('Filter')}
      </button>
    </div>
  );
}

function EarlierButton({ earlier }: { earlier: IEarlier }): JSX.Element {
  const trans = useTranslation();
  const [state, setState] = useState<{ loading: boolean; problem: string | null }>({ loading: false, problem: null });
  return (
    <>
      <button
        type="button"
        className="jp-RtmsgTool"
        disabled={state.loading}
        onClick={() => {
          setState({ loading: true, problem: null });
          earlier.load().then(
            () => {
              setState({ loading: false, problem: null });
            },
            (error: unknown) => {
              setState({ loading: false, problem: error instanceof Error ? error.message : String(error) });
            }
          );
        }}
      >
        {state.loading ? trans.__('Loading…') : trans.__('Load earlier')}
      </button>
      {state.problem && (
        <span role="alert" className="jp-RtmsgRoomView-error">
          {state.problem}
        </span>
      )}
    </>
  );
}
