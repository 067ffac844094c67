import { vi } from 'vitest';

import type { IConnection } from '../../src/hub/subscription';

type Answer = (body: object) => unknown;

/** A connection whose hub is the test: `answers` has a function for each command, which may throw. */
export class FakeHub implements IConnection {
  connected = true;

  /** The commands that were sent, with their bodies. */
  readonly sent: [string, object][] = [];

  readonly answers: Record<string, Answer> = {};

  request<T>(command: string, body: object): Promise<T> {
    this.sent.push([command, body]);
    return Promise.resolve().then(() => this.answers[command]?.(body) as T);
  }
}

/** Let everything happen that waits for nothing but promises. */
export async function settle(): Promise<void> {
  await vi.waitFor(() => undefined);
  for (let turn = 0; turn < 20; turn++) {
    await Promise.resolve();
  }
}
