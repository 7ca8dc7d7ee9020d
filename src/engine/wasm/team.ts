/**
 * How many threads the next play has: all, or the caller alone while another process keeps a worker from its core. Threads
 * that meet at barriers wait for the slowest of them, and a worker that is not running makes a barrier as long as the
 * scheduler's time slice: one thread alone is then several times faster than two that wait for each other.
 * The number of threads changes no bit of any result.
 */

/** Pause after stalls, in ms; it doubles with every trial that stalls again. */
const SHORTEST_PAUSE = 100;
const LONGEST_PAUSE = 3200;
/** Stalled plays that are put up with: workers that have just been woken may need a moment to find a core. */
const PATIENCE = 3;
/** Plays without a stall that make one with a stall forgotten. */
const FORGET = 20;

export class Team {
  private readonly threads: number;
  private pause = SHORTEST_PAUSE;
  /** Until then the caller plays alone. */
  private resume = Number.NEGATIVE_INFINITY;
  private strikes = 0;

  constructor(threads: number) {
    this.threads = threads;
  }

  /** Threads of a play that begins at `now`, in ms. */
  next(now: number): number {
    return now < this.resume ? 1 : this.threads;
  }

  /** After a play with all threads: at how many of its barriers somebody came late. */
  report(stalls: number, now: number): void {
    if (stalls === 0) {
      this.strikes = Math.max(0, this.strikes - 1 / FORGET);
      if (now > this.resume + 2 * this.pause) this.pause = SHORTEST_PAUSE;
    } else if (++this.strikes >= PATIENCE) {
      this.strikes = PATIENCE - 2;
      this.resume = now + this.pause;
      this.pause = Math.min(LONGEST_PAUSE, 2 * this.pause);
    }
  }
}
