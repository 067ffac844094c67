const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Return a number of bytes for people, as `1.5 MB`; a kB is 1,000 bytes. */
export function sizeText(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const value = bytes / 1000 ** power;
  return `${power && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[power] ?? ''}`;
}
