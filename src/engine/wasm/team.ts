/**
 * How many threads the next play has: all, or the caller alone while another process keeps a worker from its core. Threads
 * that meet at barriers wait for the slowest of them, and a worker that is not running makes every barrier as long as the
 * scheduler's time slice: one thread alone is then several times faster than two that wait for each other.
 * The number of threads changes no bit of any result.
 */

/** Pause after the first stall, in ms; it doubles with every trial that stalls again. */
const SHORTEST_PAUSE = 50;
const LONGEST_PAUSE = 2000;

export class Team {
  private readonly threads: number;
  private pause = SHORTEST_PAUSE;
  /** Until then the caller plays alone. */
  private resume = Number.NEGATIVE_INFINITY;

  constructor(threads: number) {
    this.threads = threads;
  }

  /** Threads of a play that begins at `now`, in ms. */
  next(now: number): number {
    return now < this.resume ? 1 : this.threads;
  }

  /** After a play with all threads: at how many of its barriers somebody waited in vain. */
  report(stalls: number, now: number): void {
    if (stalls > 0) {
      this.resume = now + this.pause;
      this.pause = Math.min(LONGEST_PAUSE, 2 * this.pause);
    } else if (now > this.resume + this.pause) this.pause = SHORTEST_PAUSE;
  }
}
