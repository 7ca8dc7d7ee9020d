/**
 * The interpreter: every thread walks the same program and takes its own slice of each instruction.
 * An instruction is 16 words: the table index of its kernel, flags, and up to 14 arguments (addresses, sizes, floats as bits).
 * A program starts with one such line whose first word counts the instructions.
 *
 * Kernels are called through the function table, not by a switch: the optimizer would inline them all into one function
 * that a worker enters once and never leaves, and V8 could not replace its first-tier code while it runs.
 */
import { FLAG_BARRIER_MANY, FLAG_BARRIER_ONE, PROGRAM, STOP, awaitEpoch, barrier, raiseEpoch, rows } from "./control";

function interpret(thread: i32, threads: i32): void {
  const waits = rows() == 1 ? FLAG_BARRIER_ONE : FLAG_BARRIER_MANY;
  let at = <usize>load<i32>(PROGRAM);
  const end = at + ((<usize>load<i32>(at) + 1) << 6);
  for (at += 64; at < end; at += 64) {
    if (load<i32>(at, 4) & waits) barrier(thread, threads);
    call_indirect(load<i32>(at), at, thread, threads);
  }
  barrier(thread, threads);
}

/** Plays the program in the control block as thread 0; returns when every thread has finished. */
export function play(threads: i32): void {
  if (threads > 1) raiseEpoch();
  interpret(0, threads);
}

/** The life of a worker: plays whenever the epoch rises, until it is told to stop. */
export function work(thread: i32, threads: i32, epoch: i32): void {
  for (;;) {
    epoch = awaitEpoch(epoch);
    if (load<i32>(STOP)) return;
    interpret(thread, threads);
  }
}
