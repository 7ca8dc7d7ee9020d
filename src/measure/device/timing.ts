/**
 * Times plays for the profile: what is short is played many times at a stretch. A figure is the best of several stretches: what
 * disturbs a machine only ever adds time, and a profile says what the machine can do.
 */
import { yieldToEvents } from "../../yield.ts";

const STRETCH = 0.002;
const STRETCHES = 9;
/** The first plays run the compiler's first tier. */
const WARM_UP = 0.02;
/** Threads that have slept are woken on one core, and it takes the system some tens of ms to move them apart. */
const MOVE_APART = 0.04;

/** Seconds of one call of `play`, which works with so many threads; the event loop runs between stretches. */
export async function secondsOf(play: () => void, threads: number, signal?: AbortSignal): Promise<number> {
  const warm = await stretch(play, threads > 1 ? WARM_UP + MOVE_APART : WARM_UP, 3);
  const calls = Math.max(1, Math.round(STRETCH / warm));
  const times: number[] = [];
  for (let i = 0; i < STRETCHES; i++) {
    signal?.throwIfAborted();
    times.push(await stretch(play, 0, calls));
  }
  return Math.min(...times);
}

/** Calls for so many seconds, and so often at least; seconds of a call. */
async function stretch(play: () => void, seconds: number, calls: number): Promise<number> {
  const begin = performance.now();
  let done = 0;
  let elapsed: number;
  do {
    play();
    done++;
    elapsed = (performance.now() - begin) / 1000;
  } while (done < calls || elapsed < seconds);
  await yieldToEvents();
  return elapsed / done;
}
