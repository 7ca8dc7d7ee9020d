/**
 * How many threads the next play has: all, or the caller alone while another process keeps a worker from its core. Threads
 * that meet at barriers wait for the slowest of them, and a worker that is not running makes a barrier as long as the
 * scheduler's time slice: one thread alone is then several times faster than two that wait for each other.
 * The number of threads changes no bit of any result.
 */

/** Pause after stalls, in ms; it doubles with every trial that stalls again. */
const SHORTEST_PAUSE = 100;
const LONGEST_PAUSE = 3200;
/** A pause is at least so many times as long as the play that stalled. */
const PLAYS = 5;
/** Stalls that are put up with: workers that have just been woken may need a moment to find a core. */
const PATIENCE = 3;
/** Plays without a stall that make one stall forgotten. */
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

  /** After a play with all threads from `begin` to `end`: at how many of its barriers somebody came late. */
  report(stalls: number, begin: number, end: number): void {
    if (stalls === 0) {
      this.strikes = Math.max(0, this.strikes - 1 / FORGET);
      if (end > this.resume + 2 * this.pause) this.pause = SHORTEST_PAUSE;
      return;
    }
    this.strikes += stalls;
    if (this.strikes < PATIENCE) return;
    this.strikes = 1;
    this.resume = end + Math.max(this.pause, PLAYS * (end - begin));
    this.pause = Math.min(LONGEST_PAUSE, 2 * this.pause);
  }
}
