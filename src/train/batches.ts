/**
 * Batches of a token file, or of tokens in memory: windows of `length` tokens and the token after each, one window behind the other, shuffled anew in each epoch.
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

/** Where windows are read from. */
interface TokenSource {
  readonly tokens: number;
  /** At most `count` tokens from `position` on; fewer at the end. */
  read(position: number, count: number): Promise<ArrayLike<number>>;
  close(): Promise<void>;
}

/** The windows of a text in tokens. Close it when done. */
export class Windows {
  /** Whole windows; at least 1, for a shorter text is one window that is not full. */
  readonly count: number;
  private readonly source: TokenSource;
  private readonly shape: BatchShape;

  private constructor(source: TokenSource, shape: BatchShape) {
    this.source = source;
    this.shape = shape;
    this.count = Math.max(1, Math.floor((source.tokens - 1) / shape.length));
  }

  static async open(file: TokenFile, shape: BatchShape): Promise<Windows> {
    return new Windows(fileSource(file, await open(file.path, "r")), shape);
  }

  static of(tokens: Int32Array, shape: BatchShape): Windows {
    const read = async (position: number, count: number) => tokens.subarray(position, position + count);
    return new Windows({ tokens: tokens.length, read, close: async () => {} }, shape);
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
    await this.source.close();
  }

  private async read(windows: readonly number[]): Promise<Batch> {
    const { length } = this.shape;
    const tokens = new Int32Array(windows.length * length);
    const targets = new Int32Array(windows.length * length).fill(-1);
    for (const [i, at] of windows.entries()) {
      const window = Int32Array.from(await this.source.read(at * length, length + 1));
      tokens.set(window.subarray(0, length), i * length);
      targets.set(window.subarray(1), i * length);
    }
    return { tokens, targets };
  }
}

function fileSource({ tokens, width }: TokenFile, handle: FileHandle): TokenSource {
  return {
    tokens,
    read: async (position, count) => {
      const window = width === 2 ? new Uint16Array(count) : new Uint32Array(count);
      const { bytesRead } = await handle.read(window, { position: position * width });
      return window.subarray(0, bytesRead / width);
    },
    close: () => handle.close(),
  };
}
