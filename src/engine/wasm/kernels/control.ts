/**
 * The control block at the bottom of memory, through which threads agree on what to play and meet at barriers.
 * `player.ts` on the TypeScript side knows the same addresses. Words that different threads write stand on
 * cache lines of their own.
 */

/** Counts plays; workers wait for it to change. */
export const EPOCH: usize = 1024;
/** Threads that have arrived at the current barrier. */
export const ARRIVED: usize = 1088;
/** Counts barriers passed; threads wait for it to change. */
export const GENERATION: usize = 1152;
/** Threads asleep at the barrier: nobody is notified where nobody sleeps. */
export const SLEEPERS: usize = 1216;
/** Loads of the generation before a thread goes to sleep, in what is left of this play. */
export const PATIENCE: usize = 1220;
/** Barriers of this play at which somebody came late. */
export const STALLS: usize = 1224;
/** Set once: workers return from `work`. */
export const STOP: usize = 1280;
/** Set where a worker has failed: who waits for it traps instead of waiting for ever. */
export const FAILED: usize = 1284;
/** Address of the program to play. */
export const PROGRAM: usize = 1344;
/** Run-time scalars of a play. */
export const ROWS: usize = 1348;
export const POSITION: usize = 1352;
/** First row that the tail of the program (final norm, head, loss) computes. */
export const TAIL: usize = 1356;

/**
 * Some 25 ms of loads. Threads that sleep at barriers are woken on the core of whoever wakes them, one after the other, and
 * stay there; threads that are both running when the scheduler looks, every few ms, are moved apart. So nobody sleeps in a
 * play, unless another process keeps a thread from its core.
 */
const PATIENT: i32 = 100_000_000;
/** Some 20 µs: once a thread has been kept from its core so long, spinning only keeps others from theirs. */
const IMPATIENT: i32 = 60_000;
/** Some 1 ms: nobody who is running comes so late. */
const LATE: i32 = 4_000_000;
/** Loads of the epoch before a worker goes to sleep, about 1 ms: bridges what is done with a token between two plays. */
const SPIN_EPOCH: i32 = 4_000_000;

// @ts-ignore: decorator
@inline
export function rows(): i32 {
  return load<i32>(ROWS);
}

// @ts-ignore: decorator
@inline
export function position(): i32 {
  return load<i32>(POSITION);
}

/** Instruction flags. */
export const FLAG_BARRIER: i32 = 1;
export const FLAG_TAIL: i32 = 2;
/** The result is also wanted in integers: address and stride stand in the last two words. */
export const FLAG_SIGNED: i32 = 4;
export const FLAG_SPLIT: i32 = 8;

/** Rows this instruction works on: all rows of the play, or those of its tail. */
// @ts-ignore: decorator
@inline
export function rowCount(instruction: usize): i32 {
  return load<i32>(instruction, 4) & FLAG_TAIL ? rows() - load<i32>(TAIL) : rows();
}

/** First of `total` items that belong to `thread`: the same slice at every play, so that a core finds its weights in its own cache. */
// @ts-ignore: decorator
@inline
export function slice(total: i32, thread: i32, threads: i32): i32 {
  return <i32>((<i64>total * <i64>thread) / <i64>threads);
}

export function barrier(threads: i32): void {
  if (ASC_FEATURE_THREADS) {
    if (threads == 1) return;
    const generation = atomic.load<i32>(GENERATION);
    if (atomic.add<i32>(ARRIVED, 1) == threads - 1) {
      atomic.store<i32>(ARRIVED, 0);
      atomic.add<i32>(GENERATION, 1);
      if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(GENERATION, -1);
      return;
    }
    const patience = load<i32>(PATIENCE);
    for (let i = 0; i < patience; i++) {
      if (atomic.load<i32>(GENERATION) != generation) return;
      if (i == LATE) atomic.add<i32>(STALLS, 1);
    }
    store<i32>(PATIENCE, IMPATIENT);
    atomic.add<i32>(SLEEPERS, 1);
    while (atomic.load<i32>(GENERATION) == generation) {
      if (load<i32>(FAILED)) unreachable();
      atomic.wait<i32>(GENERATION, generation, 1_000_000_000);
    }
    atomic.sub<i32>(SLEEPERS, 1);
  }
}

/** Blocks a worker until the epoch is no longer `seen`; returns the new epoch. */
export function awaitEpoch(seen: i32): i32 {
  if (ASC_FEATURE_THREADS) {
    for (let i = 0; i < SPIN_EPOCH; i++) {
      const epoch = atomic.load<i32>(EPOCH);
      if (epoch != seen) return epoch;
    }
    while (atomic.load<i32>(EPOCH) == seen) atomic.wait<i32>(EPOCH, seen, -1);
    return atomic.load<i32>(EPOCH);
  }
  return seen;
}

/** Begins a play: all workers set out. */
export function raiseEpoch(): void {
  if (ASC_FEATURE_THREADS) {
    store<i32>(PATIENCE, PATIENT);
    store<i32>(STALLS, 0);
    atomic.add<i32>(EPOCH, 1);
    atomic.notify(EPOCH, -1);
  }
}
