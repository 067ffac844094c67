/* Lines of Python that stand for buttons. */

import { escapeHidden } from '../hub/invisible';

/** Return a text as Python writes it. */
export function quoted(text: string): string {
  return escapeHidden(JSON.stringify(text));
}

/** Return the line that calls a method of a worker group. */
export function groupLine(group: string, call: string): string {
  return `room.group(${quoted(group)}).${call}`;
}

/** Return the line that calls a method of a group's dead letters. */
export function lettersLine(group: string, call: string): string {
  return `room.dead_letters(${quoted(group)}).${call}`;
}
