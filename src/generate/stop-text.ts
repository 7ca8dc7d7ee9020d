/**
 * Looks for stop strings in text that comes in pieces. A stop string may lie across pieces, so text that could be the beginning
 * of one is held back until it is known not to be; a stop string itself is never given out, nor what follows it.
 */

export interface StopText {
  /** The text that can be shown now. After `stopped`, none. */
  push(text: string): string;
  /** What was held back, once no more text comes. */
  end(): string;
  readonly stopped: boolean;
}

/** @param stops not empty strings. The one that begins first in the text counts. */
export function stopText(stops: readonly string[]): StopText {
  let held = "";
  let stopped = false;
  return {
    push(text) {
      if (stopped) return "";
      const all = held + text;
      const found = stops.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
      stopped = found.length > 0;
      const shown = stopped ? Math.min(...found) : all.length - beginningAtEnd(all, stops);
      held = stopped ? "" : all.slice(shown);
      return all.slice(0, shown);
    },
    end() {
      const rest = held;
      held = "";
      return rest;
    },
    get stopped() {
      return stopped;
    },
  };
}

/** The length of the longest end of `text` that is a beginning of a stop string. */
function beginningAtEnd(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (stop.startsWith(text.slice(text.length - length))) {
        longest = length;
        break;
      }
    }
  }
  return longest;
}
