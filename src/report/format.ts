/** Numbers as a person reads them. SI units throughout: a kB is 1000 bytes, as storage and download sizes are sold. */

/** 124,439,808 */
export function formatCount(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** 540 B, 1.5 kB, 269.1 MB */
export function formatBytes(bytes: number): string {
  return scaled(bytes, ["B", "kB", "MB", "GB", "TB", "PB"]);
}

/** 134.5 M: a count where its size matters more than its digits. */
export function formatShortCount(value: number): string {
  return scaled(value, ["", "k", "M", "G", "T"]).trim();
}

function scaled(value: number, units: readonly string[]): string {
  let power = 0;
  let rest = value;
  // 999.95 prints as 1000.0, which belongs to the next unit.
  while (power < units.length - 1 && Math.abs(rest) >= (power === 0 ? 1000 : 999.95)) {
    rest /= 1000;
    power++;
  }
  return `${power === 0 ? formatCount(rest) : rest.toFixed(1)} ${units[power]}`;
}

/** A share of 1 as 31.02 % */
export function formatPercent(share: number, decimals = 2): string {
  return `${(share * 100).toFixed(decimals)} %`;
}

/** How many times as much: 0.73×, 72.1×, 1,234× */
export function formatRatio(ratio: number): string {
  return `${ratio < 10 ? ratio.toFixed(2) : formatNumber(ratio)}×`;
}

/** Significant digits without an exponent: 0.0583, 12.7, 1,234; what is not finite as JavaScript writes it. */
export function formatNumber(value: number, digits = 3): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const decimals = digits - 1 - Math.floor(Math.log10(Math.abs(value)));
  return decimals <= 0 ? formatCount(value) : value.toFixed(Math.min(decimals, 12));
}

/** 19.2 tok/s */
export function formatRate(perSecond: number, unit: string): string {
  return `${formatNumber(perSecond)} ${unit}/s`;
}

/** 3.4 ms, 1.2 s, 2 min 5 s, 3 h 12 min */
export function formatDuration(seconds: number): string {
  if (seconds < 0.9995) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Ascending indices as the runs that they form: 2, 21–28 */
export function formatRanges(indices: readonly number[]): string {
  return runs(indices)
    .map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`))
    .join(", ");
}

/** Ascending indices as [first, last] of each run without a gap. */
export function runs(indices: readonly number[]): [first: number, last: number][] {
  const found: [number, number][] = [];
  for (const index of indices) {
    const run = found.at(-1);
    if (run && run[1] === index - 1) run[1] = index;
    else found.push([index, index]);
  }
  return found;
}
