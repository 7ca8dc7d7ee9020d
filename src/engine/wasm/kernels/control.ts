/**
 * The control block at the bottom of memory, through which threads agree on what to play and meet at barriers.
 * `player.ts` on the TypeScript side knows the same addresses. Words that different threads write stand on
 * cache lines of their own.
 */

/** Counts plays; workers wait for it to change. */
export const EPOCH: usize = 1024;
/** Threads asleep at the barrier: nobody is notified where nobody sleeps. */
export const SLEEPERS: usize = 1216;
/** Loads before a thread that waits at a barrier goes to sleep, in what is left of this play. */
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
/** Rows of a sequence: a play has one or several of equal length, and attention and positions begin anew in each. */
export const LENGTH: usize = 1360;
/** What the gradients of a play are multiplied by, f32: see `meanInput`. */
export const SHARE: usize = 1364;
/** A cache line for each of at most 64 threads, beyond the kernels' constants: see `barrier`. */
const ARRIVALS: usize = 16384;
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

// @ts-ignore: decorator
@inline
export function sequenceLength(): i32 {
  return load<i32>(LENGTH);
}

/** The position of a row in its sequence. */
// @ts-ignore: decorator
@inline
export function positionOf(row: i32): i32 {
  return load<i32>(POSITION) + row % load<i32>(LENGTH);
}

/** Instruction flags: a barrier before it, in plays of one row; */
export const FLAG_BARRIER_ONE: i32 = 1;
/** works on the tail's rows only; */
export const FLAG_TAIL: i32 = 2;
/** the result is also wanted in integers: address and stride stand in the last two words; */
export const FLAG_SIGNED: i32 = 4;
export const FLAG_SPLIT: i32 = 8;
/** a barrier before it, in plays of many rows; */
export const FLAG_BARRIER_MANY: i32 = 16;
/** where it has one row only, every thread writes (a norm) or reads (a product) a row of its own: that of its number. */
export const FLAG_OWN_ROW: i32 = 32;
/** its weights were played so short a time ago that a cache has them; */
export const FLAG_NEAR: i32 = 64;
/** they were not, and will be played again soon. */
export const FLAG_SOON: i32 = 128;

// @ts-ignore: decorator
@inline
export function isNear(instruction: usize): bool {
  return (load<i32>(instruction, 4) & FLAG_NEAR) != 0;
}

// @ts-ignore: decorator
@inline
export function isPlayedSoon(instruction: usize): bool {
  return (load<i32>(instruction, 4) & FLAG_SOON) != 0;
}

// @ts-ignore: decorator
@inline
export function ownRow(instruction: usize): bool {
  return (load<i32>(instruction, 4) & FLAG_OWN_ROW) != 0 && rowCount(instruction) == 1;
}

/** Rows this instruction works on: all rows of the play, or those of its tail. */
// @ts-ignore: decorator
@inline
export function rowCount(instruction: usize): i32 {
  return load<i32>(instruction, 4) & FLAG_TAIL ? rows() - load<i32>(TAIL) : rows();
}

/** First of `total` blocks of 32 columns that belong to `thread`, in columns: whoever writes a row by columns divides it so. */
// @ts-ignore: decorator
@inline
export function sliceColumns(blocks: i32, thread: i32, threads: i32): i32 {
  return slice(blocks, thread, threads) << 5;
}

/** First of `total` items that belong to `thread`: the same slice at every play, so that a core finds its weights in its own cache. */
// @ts-ignore: decorator
@inline
export function slice(total: i32, thread: i32, threads: i32): i32 {
  return <i32>((<i64>total * <i64>thread) / <i64>threads);
}

/** Barriers that this thread has arrived at, ever; the same for all threads when a play begins. */
let arrivals: i32 = 0;

/** Where a thread says at how many barriers it has arrived. */
// @ts-ignore: decorator
@inline
function arrivalsOf(thread: i32): usize {
  return ARRIVALS + (<usize>thread << 6);
}

/**
 * Waits until all threads have arrived. Everybody writes a line of its own and reads those of the others: a line travels once
 * between two cores, where a shared counter and the word that releases the waiting travel one after the other.
 */
export function barrier(thread: i32, threads: i32): void {
  if (ASC_FEATURE_THREADS) {
    if (threads == 1) return;
    atomic.store<i32>(arrivalsOf(thread), ++arrivals);
    if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(arrivalsOf(thread), -1);
    for (let other = 0; other < threads; other++) {
      if (atomic.load<i32>(arrivalsOf(other)) - arrivals < 0) awaitArrival(arrivalsOf(other));
    }
  }
}

function awaitArrival(other: usize): void {
  const patience = load<i32>(PATIENCE);
  for (let i = 0; i < patience; i++) {
    if (atomic.load<i32>(other) - arrivals >= 0) return;
    if (i == LATE) atomic.add<i32>(STALLS, 1);
  }
  store<i32>(PATIENCE, IMPATIENT);
  atomic.add<i32>(SLEEPERS, 1);
  for (let seen = atomic.load<i32>(other); seen - arrivals < 0; seen = atomic.load<i32>(other)) {
    if (load<i32>(FAILED)) unreachable();
    atomic.wait<i32>(other, seen, 1_000_000_000);
  }
  atomic.sub<i32>(SLEEPERS, 1);
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
