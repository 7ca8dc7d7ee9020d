/** The library as its README shows it: the five lines, on a hub that this test serves and a model that it makes. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { load } from "../src/index.ts";
import { type FakeHub, startFakeHub } from "../src/weights/hub.testing.ts";
import { dataPath } from "./data.ts";

const stories = dataPath("models/stories260K/stories260K.bin");

describe.skipIf(stories === undefined)("the library (needs the shared test data)", () => {
  let folder: string;
  let hub: FakeHub;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "refrain-library-"));
    const model = await load(stories!);
    await model.save(join(folder, "stories"));
    await model.dispose();
    const files: Record<string, Uint8Array> = {};
    for (const name of await readdir(join(folder, "stories")))
      files[name] = await readFile(join(folder, "stories", name));
    hub = await startFakeHub("org/stories", files);
    process.env.HF_ENDPOINT = hub.url;
    process.env.HF_HUB_CACHE = join(folder, "cache");
  });

  afterAll(async () => {
    delete process.env.HF_ENDPOINT;
    delete process.env.HF_HUB_CACHE;
    await hub?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("runs the five lines of the README", async () => {
    const model = await load("hf:org/stories", { weights: "q4" });
    let text = "";
    for await (const piece of model.generate("Once upon a time", { maxTokens: 64, temperature: 0 })) text += piece;
    expect(text).toMatch(/^, there was a little girl/);
    const shared = model.withSchedule("each(0-2)x2"); // same weights in memory, another order of play
    await shared.save(join(folder, "shared-model"));

    expect(shared.weightBytes).toBeLessThan(model.weightBytes);
    const config = JSON.parse(await readFile(join(folder, "shared-model", "config.json"), "utf8"));
    expect(config).toMatchObject({ num_hidden_layers: 3, refrain: { schedule: "each(0-2)x2" } });
    const again = await load(join(folder, "shared-model"), { weights: "f32" });
    expect(again.schedule).toBe("each(0-2)x2");
    const session = again.session();
    expect((await session.feed([1, 2, 3])).every(Number.isFinite)).toBe(true);
    await Promise.all([model.dispose(), shared.dispose(), again.dispose()]);
  });

  it("plays the same with a schedule and with the unrolled copy of it, to the bit", async () => {
    const model = await load(stories!, { schedule: "(0-1)x2 f0 a3 f4 2" });
    await model.save(join(folder, "scheduled"));
    await expect(model.save(join(folder, "unrolled"), { unrolled: true })).rejects.toMatchObject({
      code: "schedule-unroll",
    });
    const whole = model.withSchedule("(0-1)x2 a3 f4");
    await whole.save(join(folder, "unrolled"), { unrolled: true });
    const ids = [1, 403, 407, 261, 378, 33];
    const logits = async (path: string) => {
      const loaded = await load(path);
      const session = loaded.session();
      const result = (await session.feed(ids)).slice();
      await loaded.dispose();
      return result;
    };
    const inMemory = async (from: typeof model) => {
      const session = from.session();
      const result = (await session.feed(ids)).slice();
      session.dispose();
      return result;
    };
    expect(await logits(join(folder, "scheduled"))).toEqual(await inMemory(model));
    expect(await logits(join(folder, "unrolled"))).toEqual(await inMemory(whole));
    const plain = JSON.parse(await readFile(join(folder, "unrolled", "config.json"), "utf8"));
    expect(plain.num_hidden_layers).toBe(5);
    expect(plain.refrain).toBeUndefined();
    await Promise.all([model.dispose(), whole.dispose()]);
  });

  it("refuses a schedule that plays a block which was not loaded", async () => {
    const model = await load(stories!, { schedule: "0-2" });
    expect(() => model.withSchedule("0-4")).toThrow(/plays block 3, which was not loaded/);
    await model.dispose();
  });
});
