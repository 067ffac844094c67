import type { JSX } from 'preact';

import { useTranslation } from './hooks';
import type { ILagPoint } from './queuemodel';

const WIDTH = 240;
const HEIGHT = 32;
/** Space for the line's own width, so that it is not cut at the edges. */
const MARGIN = 2;

interface IQueueLagProps {
  /** What is drawn, such as the lag of a group. */
  label: string;
  points: readonly ILagPoint[];
}

/** A number over time, such as a lag, as a line. Below two points there is nothing to draw. */
export function QueueLag({ label: what, points }: IQueueLagProps): JSX.Element | null {
  const trans = useTranslation();
  const [first, last] = [points[0], points[points.length - 1]];
  if (!first || !last || first.ts === last.ts) {
    return null;
  }
  const most = Math.max(...points.map(point => point.lag));
  const seconds = Math.round((last.ts - first.ts) / 1000);
  const label = trans.__('%1 in the last %2 s: now %3, at most %4', what, seconds, round(last.lag), round(most));
  return (
    <svg
      className="jp-RtmsgQueue-lag"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
    >
      <title>{label}</title>
      <polyline points={linePoints(points, first.ts, last.ts, most)} />
    </svg>
  );
}

/** Return the corners of the line. A step is drawn as one: between two looks nothing is known. */
function linePoints(points: readonly ILagPoint[], from: number, to: number, most: number): string {
  const x = (ts: number): string => (MARGIN + ((WIDTH - 2 * MARGIN) * (ts - from)) / (to - from)).toFixed(1);
  const y = (lag: number): string => (HEIGHT - MARGIN - (most ? ((HEIGHT - 2 * MARGIN) * lag) / most : 0)).toFixed(1);
  return points.map(({ ts, lag }) => `${x(ts)},${y(lag)}`).join(' ');
}

function round(number: number): number {
  return Math.round(number * 10) / 10;
}
