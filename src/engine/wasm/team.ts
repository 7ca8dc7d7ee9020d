/**
 * How many threads the next play has: all, or the caller alone while another process keeps a worker from its core. Threads
 * that meet at barriers wait for the slowest of them, and a worker that is not running makes a barrier as long as the
 * scheduler's time slice: one thread alone is then several times faster than two that wait for each other.
 * The number of threads changes no bit of any result.
 */

/** Workers have fallen asleep after so many ms without a play. */
const ASLEEP = 2;
/**
 * Ms after workers were woken in which it does not matter who comes late: the scheduler may have woken them on the caller's
 * core, and takes a few of its ticks to move them to one that is free.
 */
const SETTLE = 50;
/** Pause after stalls, in ms; it doubles with every trial that stalls again. */
const SHORTEST_PAUSE = 200;
const LONGEST_PAUSE = 3200;
/** A pause is at least so many times as long as the play that stalled. */
const PLAYS = 5;
/** Stalls that are put up with, and plays without one that make one forgotten. */
const PATIENCE = 3;
const FORGET = 20;
/** One stall, of some ms, in so many ms of play costs little. */
const RARE = 10;

export class Team {
  private readonly threads: number;
  private pause = SHORTEST_PAUSE;
  /** Until then the caller plays alone. */
  private resume = Number.NEGATIVE_INFINITY;
  /** When the workers were last woken, and when they were last seen. */
  private woken = Number.NEGATIVE_INFINITY;
  private seen = Number.NEGATIVE_INFINITY;
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
    if (begin > this.seen + ASLEEP) this.woken = begin;
    this.seen = end;
    if (begin < this.woken + SETTLE) return;
    const many = stalls - Math.floor((end - begin) / RARE);
    if (many <= 0) {
      this.strikes = Math.max(0, this.strikes - 1 / FORGET);
      if (end > this.resume + 2 * this.pause) this.pause = SHORTEST_PAUSE;
      return;
    }
    this.strikes += many;
    if (this.strikes < PATIENCE) return;
    this.strikes = 0;
    this.resume = end + Math.max(this.pause, PLAYS * (end - begin));
    this.pause = Math.min(LONGEST_PAUSE, 2 * this.pause);
  }
}
