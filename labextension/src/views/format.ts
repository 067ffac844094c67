/** Return a time of the hub, in milliseconds since 1970, as the time of day. */
export function timeText(ts: number): string {
  return new Date(ts).toLocaleTimeString(undefined, { hour12: false });
}
