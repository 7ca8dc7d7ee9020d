/**
 * The wasm player: N threads over one memory, each interpreting the same program inside wasm. The calling thread is
 * thread 0; a play is one synchronous call and no JavaScript runs until it is over.
 */
import { failure, inputError } from "../../errors.ts";
import { EPOCH, FAILED, LENGTH, POSITION, PROGRAM, ROWS, SHARE, STALLS, STOP, TAIL } from "./control.ts";
import { type FreeSpace, freeSpace } from "./free-space.ts";
import type { Host, HostWorker } from "./host.ts";
import { Team } from "./team.ts";
import { bestVariant, hasSimd, type Variant, variantName } from "./variant.ts";

/** First byte after the control block and the kernels' constants. */
const HEAP = 65536;
const PAGE = 65536;
/** wasm32 ends here. */
const ADDRESS_SPACE = 65536 * PAGE;

type Pack = (source: number, rows: number, columns: number, target: number, paddedColumns: number) => void;
type Repack = (source: number, columns: number, target: number) => void;

export interface KernelExports {
  play(threads: number): void;
  unpackRow(type: number, weights: number, row: number, paddedColumns: number, target: number): void;
  packF32: Pack;
  packF16: Pack;
  packQ8: Pack;
  packQ4: Pack;
  liftRows(source: number, rows: number, rowBytes: number, head: number, scratch: number): void;
  repackQ8_0: Repack;
  repackQ4_0: Repack;
  repackQ4_1: Repack;
  firstNonFinite(source: number, count: number): number;
  maxMagnitude(source: number, count: number): number;
}

export interface PlayerOptions {
  /** Without it, `defaultThreads`. */
  readonly threads?: number;
  /** For tests and comparisons; without it the fastest that runs here. */
  readonly variant?: Variant;
}

/** The cores of this process, at most 8: more would wait for memory. */
export const defaultThreads = (host: Pick<Host, "cores">): number => Math.min(8, host.cores);

/** What a play of a training graph may say besides. */
export interface Batch {
  /** Into so many sequences of equal length the rows are divided; without it, one. */
  readonly sequences?: number;
  /** What gradients are multiplied by before they are added to what earlier plays left; without it, 1. */
  readonly share?: number;
}

export class WasmPlayer {
  readonly variant: Variant;
  readonly threads: number;
  readonly memory: WebAssembly.Memory;
  readonly kernels: KernelExports;
  /** Play with all threads even while one of them is kept from its core: for measuring what all of them can do. */
  steady = false;
  private readonly instance: WebAssembly.Instance;
  private readonly workers: readonly HostWorker[];
  private readonly space: FreeSpace;
  private readonly team: Team;
  /** Memory above this address has never been used, and is zero. */
  private highWater = HEAP;

  private constructor(
    variant: Variant,
    memory: WebAssembly.Memory,
    instance: WebAssembly.Instance,
    workers: readonly HostWorker[],
  ) {
    this.variant = variant;
    this.threads = workers.length + 1;
    this.memory = memory;
    this.instance = instance;
    this.kernels = instance.exports as unknown as KernelExports;
    this.workers = workers;
    this.space = freeSpace(HEAP, ADDRESS_SPACE);
    this.team = new Team(this.threads);
  }

  static async create(host: Host, options: PlayerOptions = {}): Promise<WasmPlayer> {
    host.prepare();
    if (!hasSimd()) {
      throw failure("no-simd", "this JavaScript engine has no WebAssembly SIMD", "Use Node ≥ 20 or a current browser.");
    }
    const variant = options.variant ?? bestVariant();
    const threads = variant.threads ? (options.threads ?? defaultThreads(host)) : 1;
    if (!Number.isInteger(threads) || threads < 1 || threads > 64) {
      throw inputError("threads", `threads: expected a whole number from 1 to 64, got ${threads}`);
    }
    const build = variantName(variant);
    const module = await WebAssembly.compile((await host.kernels(build)) as BufferSource);
    const memory = variant.threads
      ? new WebAssembly.Memory({ initial: 1, maximum: ADDRESS_SPACE / PAGE, shared: true })
      : new WebAssembly.Memory({ initial: 1 });
    const instance = await WebAssembly.instantiate(module, { env: { memory, abort() {} } });
    const workers = Array.from({ length: threads - 1 }, (_, i) =>
      host.startWorker({ module, memory, thread: i + 1, threads }),
    );
    await Promise.all(workers.map((worker) => worker.ready));
    return new WasmPlayer(variant, memory, instance, workers);
  }

  /** "relaxed SIMD, 2 threads": what a user should know about the speed to expect. */
  describe(): string {
    return `${this.variant.simd} SIMD, ${this.threads === 1 ? "1 thread" : `${this.threads} threads`}`;
  }

  opcode(kernel: string): number {
    const global = this.instance.exports[`op_${kernel}`];
    if (!(global instanceof WebAssembly.Global)) throw new Error(`no kernel ${kernel}`);
    return global.value as number;
  }

  /** Address of `bytes` zeroed bytes, aligned to 64; the memory grows where needed. `what` stands in the error. */
  allocate(bytes: number, what: string): number {
    const address = this.space.take(bytes);
    if (address === undefined) {
      throw failure(
        "address-space",
        `${what}: ${(bytes / 1e9).toFixed(2)} GB do not fit the ${(ADDRESS_SPACE / 1e9).toFixed(2)} GB that WebAssembly can address`,
        "Use smaller weights (--weights q4), a shorter --context, or fewer blocks.",
      );
    }
    const missing = Math.ceil((address + bytes) / PAGE) - this.memory.buffer.byteLength / PAGE;
    if (missing > 0) {
      try {
        this.memory.grow(missing);
      } catch (cause) {
        this.space.give(address);
        throw failure(
          "memory",
          `${what}: the system gave no ${(bytes / 1e6).toFixed(0)} MB more memory`,
          "Use smaller weights (--weights q4), a shorter --context, or close other programs.",
          cause,
        );
      }
    }
    // Fresh pages are left alone: touching them would make them resident.
    const used = Math.min(bytes, Math.max(0, this.highWater - address));
    new Uint8Array(this.memory.buffer, address, used).fill(0);
    this.highWater = Math.max(this.highWater, address + bytes);
    return address;
  }

  free(address: number): void {
    this.space.give(address);
  }

  /** Views are made anew each time: growing memory detaches them. */
  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }

  floats(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  integers(address: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, address, length);
  }

  /** Plays a program on `rows` tokens that begin at `position`; the tail starts at row `tail`. Blocks until it is done. */
  play(program: number, rows: number, position: number, tail: number, { sequences = 1, share = 1 }: Batch = {}): void {
    const control = new Int32Array(this.memory.buffer, 0, HEAP / 4);
    if (control[STOP / 4]) throw failure("disposed", "this model was disposed of while it was still being played");
    control[PROGRAM / 4] = program;
    control[ROWS / 4] = rows;
    control[POSITION / 4] = position;
    control[TAIL / 4] = tail;
    control[LENGTH / 4] = rows / sequences;
    new Float32Array(control.buffer)[SHARE / 4] = share;
    const begin = performance.now();
    const threads = this.steady ? this.threads : this.team.next(begin);
    try {
      this.kernels.play(threads);
      if (threads > 1) this.team.report(control[STALLS / 4]!, begin, performance.now());
    } catch (cause) {
      if (!control[FAILED / 4]) throw cause;
      throw failure("worker", "a thread of the engine failed", "This is a bug in Refrain; try --threads 1.", cause);
    }
  }

  /** Stops the workers; the player cannot be used afterwards. */
  async close(): Promise<void> {
    const control = new Int32Array(this.memory.buffer);
    Atomics.store(control, STOP / 4, 1);
    if (this.workers.length === 0) return;
    Atomics.add(control, EPOCH / 4, 1);
    Atomics.notify(control, EPOCH / 4);
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}
