import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dequantize } from "../../weights/dequantize.ts";
import { quantizeQ4_0, quantizeQ8_0 } from "../../weights/quantize.ts";
import { matrix } from "../parameter.testing.ts";
import type { Parameter, StorageType } from "../parameter.ts";
import { nodeHost } from "./node-host.ts";
import { type BlockType, blockTypes, ParameterStore } from "./parameter-store.ts";
import { WasmPlayer } from "./player.ts";

/** Values of very different size, so that scales differ from block to block. */
const values = (count: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * 10 ** (((i >> 5) % 5) - 3));

function settle(store: ParameterStore, parameter: Parameter, first: number, from: BlockType, blocks: Uint8Array): void {
  const landing = store.landing(blocks.length);
  landing.set(blocks);
  const rowBytes = (parameter.columns / 32) * blockTypes[from].bytes;
  store.settle(parameter, first, blocks.length / rowBytes, from, landing);
  store.leave(landing);
}

describe.each([1, 2, 3])("what the kernels read, with %i threads", (threads) => {
  let player: WasmPlayer;
  beforeAll(async () => {
    player = await WasmPlayer.create(nodeHost, { threads });
  });
  afterAll(() => player.close());

  function stored(
    parameter: Parameter,
    type: StorageType,
    write: (store: ParameterStore) => void,
    headWidth = 0,
  ): Float32Array {
    const store = new ParameterStore(player);
    // Neighbours whose memory nothing may reach into.
    const [before, after] = [matrix(70, 64, "before"), matrix(40, 32, "after")];
    store.reserveAll([
      { parameter: before, type },
      { parameter, type, headWidth },
      { parameter: after, type },
    ]);
    for (const piece of [before, after].flatMap((one) => store.pieces(one))) piece.fill(0x55);
    write(store);
    const read = store.read(parameter);
    for (const piece of [before, after].flatMap((one) => store.pieces(one))) {
      expect(piece.every((byte) => byte === 0x55)).toBe(true);
    }
    store.dispose();
    return read;
  }

  const parameter = matrix(37, 96);
  const x = values(37 * 96);

  it("is what was written, for f32; for f16 to half a unit in the last place", () => {
    expect(stored(parameter, "f32", (store) => store.writeRows(parameter, 0, x))).toEqual(x);
    stored(parameter, "f16", (store) => store.writeRows(parameter, 0, x)).forEach((value, i) => {
      expect(Math.abs(value - x[i]!)).toBeLessThanOrEqual(Math.max(Math.abs(x[i]!) * 2 ** -11, 2 ** -25));
    });
  });

  // The extreme of a block and a number that lies between two of its sixteen.
  const ties = [
    [144, 135],
    [160, 150],
    [192, 108],
    [240, 135],
  ] as const;

  it.each([
    ["any numbers", x],
    ["numbers of few bits, whose quotients tie", x.map((_, i) => ties[(i >> 5) % ties.length]![i % 32 === 0 ? 0 : 1])],
  ])("is ggml's rounding, to the bit, for q8 and q4 of %s", (_, x) => {
    for (const [type, stored_, quantize, bytes] of [
      ["q8", "Q8_0", quantizeQ8_0, 34],
      ["q4", "Q4_0", quantizeQ4_0, 18],
    ] as const) {
      const blocks = new Uint8Array((x.length / 32) * bytes);
      quantize(x, blocks);
      const expected = new Float32Array(x.length);
      dequantize(stored_, blocks, expected);
      expect(stored(parameter, type, (store) => store.writeRows(parameter, 0, x))).toEqual(expected);
    }
  });

  it("is a file's Q8_0, Q4_0 and Q4_1 blocks, to the bit", () => {
    for (const [type, from, bytes] of [
      ["q8", "Q8_0", 34],
      ["q4", "Q4_0", 18],
      ["q4_1", "Q4_1", 20],
    ] as const) {
      const blocks = Uint8Array.from({ length: (x.length / 32) * bytes }, (_, i) => (i * 197 + 11) & 0xff);
      // f16 scales of ordinary size: the high byte of a scale decides.
      for (let at = 0; at < blocks.length; at += bytes) {
        blocks[at + 1] = 0x20 + ((at / bytes) % 24) + ((at / bytes) % 2) * 0x80;
        if (from === "Q4_1") blocks[at + 3] = 0x30;
      }
      const expected = new Float32Array(x.length);
      dequantize(from, blocks, expected);
      const write = (store: ParameterStore) => {
        settle(store, parameter, 0, from, blocks);
      };
      expect(stored(parameter, type, write)).toEqual(expected);
    }
  });

  it("is a file's blocks with the halves of heads put in order, whatever the pieces they come in", () => {
    const heads = matrix(96, 64);
    const blocks = Uint8Array.from({ length: 96 * 2 * 34 }, (_, i) => (i * 89 + 5) & 0x7f);
    for (let at = 1; at < blocks.length; at += 34) blocks[at] = 0x24;
    const file = new Float32Array(96 * 64);
    dequantize("Q8_0", blocks, file);
    // Heads of 24 rows: row 2 i of a head becomes row i, row 2 i + 1 row 12 + i.
    const order = Array.from({ length: 96 }, (_, r) => r - (r % 24) + (r % 12) * 2 + Number(r % 24 >= 12));
    const expected = order.flatMap((r) => [...file.subarray(r * 64, (r + 1) * 64)]);
    for (const piece of [48, 96]) {
      const read = stored(
        heads,
        "q8",
        (store) => {
          for (let first = 0; first < 96; first += piece) {
            settle(store, heads, first, "Q8_0", blocks.subarray(first * 68, (first + piece) * 68));
          }
        },
        24,
      );
      expect(read).toEqual(Float32Array.from(expected));
    }
  });

  it("may be written in pieces that begin at groups of 16 rows", () => {
    const pieces = stored(parameter, "q8", (store) => {
      store.writeRows(parameter, 16, x.subarray(16 * 96));
      store.writeRows(parameter, 0, x.subarray(0, 16 * 96));
    });
    expect(pieces).toEqual(stored(parameter, "q8", (store) => store.writeRows(parameter, 0, x)));
  });
});

describe("bad weights", () => {
  let player: WasmPlayer;
  beforeAll(async () => {
    player = await WasmPlayer.create(nodeHost, { threads: 1 });
  });
  afterAll(() => player.close());

  it("a weight that is not finite is named by row and column", () => {
    const x = values(20 * 40);
    x[17 * 40 + 3] = Number.NaN;
    const store = new ParameterStore(player);
    store.reserve(matrix(20, 40), "q8");
    expect(() => store.writeRows(matrix(20, 40), 0, x)).toThrow(/w: the weight at row 17, column 3 is not a finite/);
    store.dispose();
  });

  it("a weight that f16 cannot hold is refused", () => {
    const x = values(20 * 40);
    x[5] = 70_000;
    const store = new ParameterStore(player);
    store.reserve(matrix(20, 40), "f16");
    expect(() => store.writeRows(matrix(20, 40), 0, x)).toThrow(/larger than f16 can hold/);
    store.dispose();
  });
});
