/**
 * Batches of a token file: windows of `length` tokens and the token after each, one window behind the other, shuffled anew in each epoch.
 * A batch is computed from its number alone, so a run that is resumed goes on with the very next batch.
 */
import { type FileHandle, open } from "node:fs/promises";
import { shuffled } from "./shuffle.ts";
import type { TokenFile } from "./token-file.ts";

export interface Batch {
  /** [sequences, length] */
  readonly tokens: Int32Array;
  /** [sequences, length]: the token after each; -1 where there is none. */
  readonly targets: Int32Array;
}

/** An endless row of batches, any of which can be asked for. */
export interface BatchSource {
  batch(index: number): Promise<Batch>;
}

export interface BatchShape {
  readonly sequences: number;
  readonly length: number;
}

/** The windows of a token file. Close it when done. */
export class Windows {
  /** Whole windows; at least 1, for a shorter file is one window that is not full. */
  readonly count: number;
  private readonly file: TokenFile;
  private readonly handle: FileHandle;
  private readonly shape: BatchShape;

  private constructor(file: TokenFile, handle: FileHandle, shape: BatchShape) {
    this.file = file;
    this.handle = handle;
    this.shape = shape;
    this.count = Math.max(1, Math.floor((file.tokens - 1) / shape.length));
  }

  static async open(file: TokenFile, shape: BatchShape): Promise<Windows> {
    return new Windows(file, await open(file.path, "r"), shape);
  }

  /** Batches in an order that the seed and the epoch decide; the last batch of an epoch is filled up from the next. */
  shuffled(seed: number): BatchSource {
    const { sequences } = this.shape;
    return {
      batch: (index) =>
        this.read(
          Array.from({ length: sequences }, (_, i) => {
            const at = index * sequences + i;
            const epoch = Math.floor(at / this.count);
            return shuffled(at % this.count, this.count, seed + epoch * 0x1_0000_0001);
          }),
        ),
    };
  }

  /** At most `tokens` tokens in whole batches, spread evenly over the file; at least one batch, where need be not full. */
  async spread(tokens: number): Promise<Batch[]> {
    const { sequences, length } = this.shape;
    const most = Math.max(1, Math.floor(tokens / (sequences * length))) * sequences;
    const count = Math.min(this.count, most);
    const windows = Array.from({ length: count }, (_, i) => Math.floor((i * this.count) / count));
    const batches: Batch[] = [];
    for (let i = 0; i < count; i += sequences) batches.push(await this.read(windows.slice(i, i + sequences)));
    return batches;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private async read(windows: readonly number[]): Promise<Batch> {
    const { length } = this.shape;
    const tokens = new Int32Array(windows.length * length);
    const targets = new Int32Array(windows.length * length).fill(-1);
    const { width } = this.file;
    const window = width === 2 ? new Uint16Array(length + 1) : new Uint32Array(length + 1);
    for (const [i, at] of windows.entries()) {
      const { bytesRead } = await this.handle.read(window, { position: at * length * width });
      const read = bytesRead / width;
      tokens.set(window.subarray(0, Math.min(length, read)), i * length);
      targets.set(window.subarray(1, read), i * length);
    }
    return { tokens, targets };
  }
}
