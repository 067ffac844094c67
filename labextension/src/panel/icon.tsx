import { LabIcon } from '@jupyterlab/ui-components';
import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** Two speech bubbles: rooms in which notebooks talk. */
export const messagesIcon = new LabIcon({
  name: 'jupyter-rtmsg:messages',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M4 3h11a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H8l-4 3.5V13a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z"/>
    <path d="M19 8h1a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2v3.5L16 18h-5a2 2 0 0 1-2-2v-1h7a3 3 0 0 0 3-3z"/>
  </g>
</svg>`
});

/** An icon of JupyterLab in a Preact view. */
export function Icon({ icon }: { icon: LabIcon }): JSX.Element {
  const container = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    if (container.current) {
      icon.element({ container: container.current });
    }
  }, [icon]);
  return <span ref={container} />;
}
