/**
 * The memory floor: threads that do nothing but read, 128 bits at a time, each its own contiguous part of one shared
 * wasm memory. No product of a matrix of that many bytes with a vector can be faster on this machine, unless part of it
 * stays in a cache.
 */

import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** The exclusive or of all bytes in [at, end), a multiple of 128 bytes: four vectors at a time, so that none waits for another. */
const source = `
export function read(at: usize, end: usize): i64 {
  let a = i64x2.splat(0), b = a, c = a, d = a;
  for (; at < end; at += 128) {
    a = v128.xor(a, v128.xor(v128.load(at), v128.load(at, 64)));
    b = v128.xor(b, v128.xor(v128.load(at, 16), v128.load(at, 80)));
    c = v128.xor(c, v128.xor(v128.load(at, 32), v128.load(at, 96)));
    d = v128.xor(d, v128.xor(v128.load(at, 48), v128.load(at, 112)));
  }
  return i64x2.extract_lane(v128.xor(v128.xor(a, b), v128.xor(c, d)), 0);
}`;

/** Words of the control array. */
const GO = 0;
const DONE = 1;
const BYTES = 2;
const PASSES = 3;

function reader({ module, memory, control, thread, threads, base }) {
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort() {} } });
  const { read } = exports;
  return () => {
    const lines = control[BYTES] / 128;
    const at = (t) => base + Math.floor((lines * t) / threads) * 128;
    for (let pass = 0; pass < control[PASSES]; pass++) read(at(thread), at(thread + 1));
  };
}

/** @param {{ bytes: number, threads: number }} options most bytes that will be read in a pass */
export async function open({ bytes, threads }) {
  const { default: asc } = await import("assemblyscript/asc");
  const base = 65536;
  const pages = Math.ceil((base + bytes) / 65536) + 1;
  const built = await asc.compileString(source, {
    optimizeLevel: 3,
    runtime: "stub",
    enable: ["simd", "threads"],
    importMemory: true,
    sharedMemory: true,
    initialMemory: pages,
    maximumMemory: pages,
  });
  if (built.error) throw new Error(`${built.error}\n${built.stderr}`);
  const module = await WebAssembly.compile(built.binary);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  // Pages that were never written are all the same page of zeros, which stays in the cache.
  new Uint8Array(memory.buffer, base).fill(0x5a);
  const control = new Int32Array(new SharedArrayBuffer(16));
  const task = { module, memory, control, threads, base };
  const workers = Array.from({ length: threads - 1 }, (_, i) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { ...task, thread: i + 1 } });
    return new Promise((resolve) => worker.once("message", resolve));
  });
  await Promise.all(workers);
  const read = reader({ ...task, thread: 0 });
  return {
    info: {},
    /** @param {{ bytes: number, passes: number }} work milliseconds of a pass, averaged over so many */
    time({ bytes: count, passes }) {
      control[BYTES] = Math.ceil(count / 128) * 128;
      control[PASSES] = passes;
      Atomics.store(control, DONE, 0);
      const begin = performance.now();
      Atomics.add(control, GO, 1);
      Atomics.notify(control, GO);
      read();
      for (let done = Atomics.load(control, DONE); done < threads - 1; done = Atomics.load(control, DONE)) {
        Atomics.wait(control, DONE, done);
      }
      return { times: [(performance.now() - begin) / passes] };
    },
  };
}

if (!isMainThread) {
  const { control } = workerData;
  const read = reader(workerData);
  parentPort.postMessage("ready");
  for (let seen = 0; ; ) {
    Atomics.wait(control, GO, seen);
    const now = Atomics.load(control, GO);
    if (now === seen) continue;
    seen = now;
    read();
    Atomics.add(control, DONE, 1);
    Atomics.notify(control, DONE);
  }
}
