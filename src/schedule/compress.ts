/**
 * A short notation for a list of steps: dynamic programming from the last step to the first.
 *
 * At every step it tries the items that could begin there (a range, `0x4`, `(…)x3`, `each(…)x2`) and keeps the shortest
 * text for the rest: fewest characters, then fewest ranges, then fewest steps outside a repeat (`0 1x2` before `0-1 1`),
 * and among equals the item that covers most. What is inside a repeat is found the same way. Not every conceivable form
 * is tried: a group begins where its repetition begins or at its lowest block, and `each` covers as much as it can. That
 * keeps 4096 steps of anything within seconds. No choice depends on anything but the steps, which makes the print
 * canonical: the same steps always give the same text.
 */
import type { RoutedStep } from "./expand.ts";
import { PART_LETTER } from "./schedule.ts";

/** Text of a list of steps, and how many ranges and single steps it consists of. */
interface Form {
  readonly text: string;
  readonly atoms: number;
}

/** Weights that rank characters before atoms before steps outside a repeat: there are fewer than 2^13 of the last two. */
const CHARACTER = 2 ** 26;
const ATOM = 2 ** 13;

/** The shortest notation of steps; `steps` is not empty. */
export function compress(steps: readonly RoutedStep[]): string {
  const alphabet = [...new Map(steps.map((step) => [stepText(step), step])).values()].sort(byBlock);
  const letters = new Map(alphabet.map((step, i) => [stepText(step), String.fromCharCode(i)]));
  const word = steps.map((step) => letters.get(stepText(step))!).join("");
  return new Compressor(alphabet).shortest(word).text;
}

function stepText({ part, block, capacity }: RoutedStep): string {
  return `${PART_LETTER[part]}${block}${capacity === undefined ? "" : `~${capacity}`}`;
}

/** Lowest block first; the order of equal blocks only has to be fixed. */
function byBlock(a: RoutedStep, b: RoutedStep): number {
  return a.block - b.block || (stepText(a) < stepText(b) ? -1 : 1);
}

/** Works on words: strings with one UTF-16 unit a step, the index of the step in the alphabet. */
class Compressor {
  private readonly alphabet: readonly RoutedStep[];
  /** Inner words return often: the same group at many places, the same rotation of it. */
  private readonly known = new Map<string, Form>();

  constructor(alphabet: readonly RoutedStep[]) {
    this.alphabet = alphabet;
  }

  shortest(word: string): Form {
    const known = this.known.get(word);
    if (known) return known;
    const rest = new Rest(word.length);
    // matches[p]: how many steps from `begin` on are the same as the ones p later.
    const matches = new Int32Array((word.length >> 1) + 1);
    const slopes = { up: 1, down: 1 };
    for (let begin = word.length - 1; begin >= 0; begin--) {
      for (let p = 1; p < matches.length; p++) {
        matches[p] = word[begin] === word[begin + p] ? matches[p]! + 1 : 0;
      }
      this.extendSlopes(word, begin, slopes);
      this.ranges(word, begin, Math.max(slopes.up, slopes.down), rest);
      this.groups(word, begin, matches, rest);
      this.eaches(word, begin, rest);
    }
    const form = rest.form();
    this.known.set(word, form);
    return form;
  }

  private step(word: string, at: number): RoutedStep {
    return this.alphabet[word.charCodeAt(at)]!;
  }

  /** Keeps how many steps from `begin` on ascend and descend by one block each. */
  private extendSlopes(word: string, begin: number, slopes: { up: number; down: number }): void {
    const here = this.step(word, begin);
    const next = begin + 1 < word.length ? this.step(word, begin + 1) : undefined;
    const smooth = next?.part === here.part && next.capacity === undefined && here.capacity === undefined;
    slopes.up = smooth && next.block === here.block + 1 ? slopes.up + 1 : 1;
    slopes.down = smooth && next.block === here.block - 1 ? slopes.down + 1 : 1;
  }

  /** `0-5`, down to the single step. */
  private ranges(word: string, begin: number, longest: number, rest: Rest): void {
    const single = stepText(this.step(word, begin));
    for (let length = longest; length >= 2; length--) {
      const last = String(this.step(word, begin + length - 1).block);
      rest.offer(begin, length, single.length + 1 + last.length, 1, length, () => `${single}-${last}`);
    }
    rest.offer(begin, 1, single.length, 1, 1, () => single);
  }

  /** `0x4` and `(0-5)x2`. */
  private groups(word: string, begin: number, matches: Int32Array, rest: Rest): void {
    const periods: number[] = [];
    for (let p = 1; p < matches.length; p++) {
      if (matches[p]! < p) continue;
      // (0 1 0 1)x2 is (0-1)x4: leave out what is itself a repetition.
      if (periods.some((shorter) => p % shorter === 0 && matches[shorter]! >= p - shorter)) continue;
      periods.push(p);
      const times = 1 + Math.floor(matches[p]! / p);
      if (p === 1) {
        const single = stepText(this.step(word, begin));
        for (let n = times; n >= 2; n--) {
          rest.offer(begin, n, single.length + 1 + String(n).length, 1, 0, () => `${single}x${n}`);
        }
      } else if (beginsRepetition(word, begin, p) || beginsLowest(word, begin, p)) {
        const inner = this.shortest(word.slice(begin, begin + p));
        const text = `(${inner.text})x${times}`;
        rest.offer(begin, p * times, text.length, inner.atoms, 0, () => text);
      }
    }
  }

  /** `each(0-14)x2`: neighbouring runs of equal steps whose lengths have a common divisor. */
  private eaches(word: string, begin: number, rest: Rest): void {
    if (begin > 0 && word[begin - 1] === word[begin]) return;
    let times = 0;
    let end = begin;
    let runs = 0;
    while (end < word.length) {
      const runEnd = endOfRun(word, end);
      const common = divisor(times, runEnd - end);
      if (common !== times) {
        if (runs > 1) this.each(word, begin, end, times, rest);
        if (common < 2 || joinsRunBefore(word, begin, common)) return;
      }
      times = common;
      end = runEnd;
      runs++;
    }
    if (runs > 1) this.each(word, begin, end, times, rest);
  }

  private each(word: string, begin: number, end: number, times: number, rest: Rest): void {
    let unit = "";
    for (let at = begin; at < end; at += times) unit += word[at];
    const inner = this.shortest(unit);
    const text = `each(${inner.text})x${times}`;
    rest.offer(begin, end - begin, text.length, inner.atoms, 0, () => text);
  }
}

/** For every position, the best text from there to the end of the word. */
class Rest {
  private readonly cost: Float64Array;
  private readonly next: Int32Array;
  private readonly item: (() => string)[] = [];
  private readonly length: number;

  constructor(length: number) {
    this.length = length;
    this.cost = new Float64Array(length + 1).fill(Number.POSITIVE_INFINITY);
    this.cost[length] = 0;
    this.next = new Int32Array(length);
  }

  /**
   * An item that covers `length` steps from `begin` on; it is kept where nothing as short has been offered before.
   * `outside` is how many of its steps stand outside a repeat.
   */
  offer(begin: number, length: number, characters: number, atoms: number, outside: number, text: () => string): void {
    const end = begin + length;
    const space = end < this.length ? 1 : 0;
    const cost = this.cost[end]! + (characters + space) * CHARACTER + atoms * ATOM + outside;
    if (cost >= this.cost[begin]!) return;
    this.cost[begin] = cost;
    this.next[begin] = end;
    this.item[begin] = text;
  }

  form(): Form {
    const items: string[] = [];
    for (let at = 0; at < this.length; at = this.next[at]!) items.push(this.item[at]!());
    return { text: items.join(" "), atoms: Math.floor((this.cost[0]! % CHARACTER) / ATOM) };
  }
}

function beginsRepetition(word: string, begin: number, period: number): boolean {
  return begin === 0 || word[begin - 1] !== word[begin - 1 + period];
}

/** True where no rotation of the unit reads lower: one rotation of a repetition, the one that begins at its lowest block. */
function beginsLowest(word: string, begin: number, period: number): boolean {
  // Duval's algorithm: the unit is its own least rotation if it is a single Lyndon word.
  let behind = 0;
  for (let i = 1; i < period; i++) {
    const order = word.charCodeAt(begin + i) - word.charCodeAt(begin + behind);
    if (order < 0) return false;
    behind = order > 0 ? 0 : behind + 1;
  }
  return behind === 0;
}

function endOfRun(word: string, begin: number): number {
  let end = begin + 1;
  while (end < word.length && word[end] === word[begin]) end++;
  return end;
}

/** True where the run before `begin` could stand in the same `each(…)`: then that begins earlier. */
function joinsRunBefore(word: string, begin: number, times: number): boolean {
  if (begin === 0) return false;
  let start = begin - 1;
  while (start > 0 && word[start - 1] === word[begin - 1]) start--;
  return (begin - start) % times === 0;
}

/** Greatest common divisor; that of 0 and b is b. */
function divisor(a: number, b: number): number {
  while (b > 0) [a, b] = [b, a % b];
  return a;
}
