/**
 * Times plays for the profile: what is short is played many times at a stretch. A figure is the best of several stretches: what
 * disturbs a machine only ever adds time, and a profile says what the machine can do.
 */
import type { LoadedProgram } from "../../engine/wasm/loaded-program.ts";
import type { ParameterStore } from "../../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../../engine/wasm/player.ts";
import { yieldToEvents } from "../../yield.ts";
import { handMade, readInstruction } from "./hand-made.ts";

/** Seconds. */
const STRETCH = 0.002;
const STRETCHES = 9;
/** The first plays run the compiler's first tier. */
const WARM_UP = 0.02;

/** Barriers at which the threads show that all of them run, and how long one takes then at most. */
const MEETINGS = 64;
const QUICK = 3e-6;
/** Seconds that a player's threads may take in all to come together; on a busy machine they never do. */
const PATIENCE = 8;

export class Stopwatch {
  private readonly meeting: LoadedProgram;
  private patience: number;

  constructor(player: WasmPlayer, store: ParameterStore) {
    const meet = () => readInstruction(0, 0, 0, 0, true);
    this.meeting = handMade(player, store, Array.from({ length: MEETINGS }, meet));
    this.patience = player.threads > 1 ? PATIENCE : 0;
  }

  /** Seconds of one call of `play`; the event loop runs between stretches. */
  async secondsOf(play: () => void, signal?: AbortSignal): Promise<number> {
    await this.assemble();
    const warm = await stretch(play, WARM_UP, 3);
    const calls = Math.max(1, Math.round(STRETCH / warm));
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < STRETCHES; i++) {
      signal?.throwIfAborted();
      await this.assemble();
      best = Math.min(best, await stretch(play, 0, calls));
    }
    return best;
  }

  dispose(): void {
    this.meeting.dispose();
  }

  /**
   * Threads that have slept are woken on one core, and the system takes a while to move them apart: plays until every thread has a core of
   * its own, or patience is at an end.
   */
  private async assemble(): Promise<void> {
    while (this.patience > 0) {
      const begin = performance.now();
      this.meeting.play([0], 0, 0);
      const seconds = (performance.now() - begin) / 1000;
      if (seconds < MEETINGS * QUICK) return;
      this.patience -= seconds;
      await yieldToEvents();
    }
  }
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
