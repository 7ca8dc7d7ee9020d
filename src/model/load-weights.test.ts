/** What is under way while weights are loaded: progress, an abort, a file that fails. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Parameter } from "../engine/parameter.ts";
import { nodeHost } from "../engine/wasm/node-host.ts";
import { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { WasmPlayer } from "../engine/wasm/player.ts";
import type { Progress } from "../progress.ts";
import type { Checkpoint, StoredTensor } from "../weights/checkpoint.ts";
import { loadWeights } from "./load-weights.ts";

let player: WasmPlayer;
beforeAll(async () => {
  player = await WasmPlayer.create(nodeHost, { threads: 1 });
});
afterAll(() => player.close());

const names = Array.from({ length: 12 }, (_, i) => `w${i}`);
const parameters = names.map((name): Parameter => ({ name, kind: "matrix", rows: 32, columns: 64, part: "ffn" }));
const byteLength = 32 * 2 * 34;

/** Tensors of Q8_0, each of which takes a millisecond to come; counts the reads that are under way. */
function slowCheckpoint(fails?: string) {
  const state = { underway: 0, most: 0, read: 0 };
  const tensors = new Map(
    names.map((name): [string, StoredTensor] => [
      name,
      { name, storedName: name, type: "Q8_0", shape: [32, 64], byteLength },
    ]),
  );
  const checkpoint: Checkpoint = {
    format: "gguf",
    path: "slow.gguf",
    config: {},
    tensors,
    vocabulary: async () => undefined,
    read: () => Promise.reject(new Error("not needed")),
    readInto: async (tensor, _begin, target) => {
      state.most = Math.max(state.most, ++state.underway);
      await new Promise((resolve) => setTimeout(resolve, 1));
      state.underway--;
      if (tensor.name === fails) throw new Error(`cannot read ${tensor.name}`);
      state.read++;
      target.fill(1);
    },
    close: async () => {},
  };
  return { checkpoint, state };
}

describe("loadWeights", () => {
  it("reads ahead, and reports every byte once", async () => {
    const { checkpoint, state } = slowCheckpoint();
    const store = new ParameterStore(player);
    const seen: Progress[] = [];
    await loadWeights(checkpoint, parameters, "file", store, { onProgress: (progress) => seen.push(progress) });
    expect(state).toEqual({ underway: 0, most: 4, read: 12 });
    expect(seen.map(({ done }) => done)).toEqual(names.map((_, i) => (i + 1) * byteLength));
    expect(seen.at(-1)).toMatchObject({ total: 12 * byteLength, unit: "bytes" });
    expect(
      parameters.every((parameter) => store.read(parameter).every((value) => value === store.read(parameter)[0])),
    ).toBe(true);
    store.dispose();
  });

  it("stops at an abort, with nothing under way any more", async () => {
    const { checkpoint, state } = slowCheckpoint();
    const store = new ParameterStore(player);
    const controller = new AbortController();
    const onProgress = ({ done }: Progress) => {
      if (done >= 3 * byteLength) controller.abort(new Error("enough"));
    };
    const loading = loadWeights(checkpoint, parameters, "file", store, { onProgress, signal: controller.signal });
    await expect(loading).rejects.toThrow("enough");
    expect(state.underway).toBe(0);
    expect(state.read).toBeLessThan(12);
    store.dispose();
  });

  it("ends with the error of a read, with nothing under way any more", async () => {
    const { checkpoint, state } = slowCheckpoint("w5");
    const store = new ParameterStore(player);
    await expect(loadWeights(checkpoint, parameters, "file", store)).rejects.toThrow("cannot read w5");
    expect(state.underway).toBe(0);
    store.dispose();
  });
});
