/** Where the ticks of an axis stand. */

/** Round numbers (1, 2 or 5 times a power of ten apart) within min…max, about `count` of them. */
export function linearTicks(min: number, max: number, count: number): number[] {
  if (!(max > min)) return [min];
  const rough = (max - min) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999)!;
  const ticks: number[] = [];
  // Multiplied, not added up: 0.1 + 0.2 is not 0.3.
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9; i++) ticks.push(tidy(i * step));
  return ticks;
}

/** 1, 2 and 5 times each power of ten within min…max; over more than three powers, only the powers. */
export function logTicks(min: number, max: number): number[] {
  const factors = Math.log10(max / min) > 3 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(min)); 10 ** power <= max; power++) {
    ticks.push(...factors.map((factor) => tidy(factor * 10 ** power)));
  }
  return ticks.filter((tick) => tick >= min * 0.999 && tick <= max * 1.001);
}

/** Of `count` labels in a row, each `pixels` from the next, every how many can be written if one needs `needed`. */
export function labelEvery(pixels: number, needed: number): number {
  const round = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
  return round.find((every) => every * pixels >= needed) ?? 1000;
}

function tidy(value: number): number {
  return Number(value.toPrecision(12));
}
