import { act } from 'preact/test-utils';

/** Return the button with a label or a name, which must be there. */
export function button(element: HTMLElement, label: string): HTMLButtonElement {
  const found = [...element.querySelectorAll('button')].find(
    each => each.textContent === label || each.getAttribute('aria-label') === label
  );
  if (!found) {
    throw new Error(`no button "${label}" in: ${element.textContent ?? ''}`);
  }
  return found;
}

/** Press a button, and wait for what it does. */
export async function press(element: HTMLElement, label: string): Promise<void> {
  await act(async () => {
    button(element, label).click();
    await Promise.resolve();
  });
  await act(() => Promise.resolve());
}

/** The labels of all buttons. */
export function labels(element: HTMLElement): string[] {
  return [...element.querySelectorAll('button')].map(each => each.textContent ?? '');
}

/** What tells views that it has changed. */
export class Watched {
  watch(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  change(fields: object): void {
    void act(() => {
      Object.assign(this, fields);
      this.watchers.forEach(watcher => {
        watcher();
      });
    });
  }

  readonly watchers = new Set<() => void>();
}
