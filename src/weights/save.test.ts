import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Disk, realDisk } from "./disk.ts";
import { openHuggingFace } from "./huggingface.ts";
import { type FolderContent, saveFolder, type TensorToWrite } from "./save.ts";

let parent: string;
let out: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "refrain-save-"));
  out = join(parent, "model");
});
afterEach(() => rm(parent, { recursive: true }));

const bytesPerElement = { F32: 4, F16: 2, BF16: 2 };

/** A tensor of recognizable bytes, in chunks of at most 7. */
function tensor(name: string, type: TensorToWrite["type"], shape: readonly number[], seed = 1): TensorToWrite {
  const byteLength = shape.reduce((a, b) => a * b, bytesPerElement[type]);
  return {
    name,
    type,
    shape,
    byteLength,
    chunks: async function* () {
      const bytes = expectedBytes(byteLength, seed);
      for (let at = 0; at < byteLength; at += 7) yield bytes.subarray(at, Math.min(byteLength, at + 7));
    },
  };
}

const expectedBytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, index) => index * 31 + seed);

const content = (tensors: readonly TensorToWrite[], extraFiles: FolderContent["extraFiles"] = {}): FolderContent => ({
  config: { model_type: "llama" },
  tensors,
  extraFiles,
});
const two = content([tensor("a", "F16", [3]), tensor("b", "F32", [2, 5], 2)], { "tokenizer.json": "{}" });

describe("saveFolder", () => {
  it("writes what openHuggingFace reads, whatever the tensors and the size of the shards", async () => {
    const shapes = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 3 });
    const types = fc.constantFrom("F32", "F16", "BF16");
    const anyTensors = fc.uniqueArray(fc.tuple(fc.string(), types, shapes), {
      selector: ([name]) => name,
      maxLength: 6,
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(anyTensors, fc.integer({ min: 1, max: 300 }), async (drawn, maxShardBytes) => {
        const folder = join(parent, `${run++}`);
        const tensors = drawn.map(([name, type, shape], seed) => tensor(`t.${name}`, type, shape, seed));
        await saveFolder(folder, content(tensors), { maxShardBytes });
        const model = await openHuggingFace(folder);
        expect([...model.tensors.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
        for (const [seed, { name, type, shape, byteLength }] of tensors.entries()) {
          const stored = model.tensors.get(name)!;
          expect(stored).toMatchObject({ type, shape, byteLength });
          expect([...(await model.read(stored, 0, byteLength))]).toEqual([...expectedBytes(byteLength, seed)]);
        }
        await model.close();
      }),
      { numRuns: 60 },
    );
  });

  it("aligns the data to 8 bytes and says what transformers wants to hear", async () => {
    await saveFolder(out, two);
    const bytes = await readFile(join(out, "model.safetensors"));
    const headerBytes = Number(bytes.readBigUInt64LE(0));
    expect(headerBytes % 8).toBe(0);
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes));
    expect(header.__metadata__.format).toBe("pt");
    expect(header.b.data_offsets).toEqual([0, 40]);
    expect(header.a.data_offsets).toEqual([40, 46]);
    expect((await readdir(out)).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    expect(await readFile(join(out, "config.json"), "utf8")).toBe('{\n  "model_type": "llama"\n}\n');
  });

  it("names shards as the hub does", async () => {
    const tensors = ["a", "b", "c"].map((name) => tensor(name, "F32", [4]));
    await saveFolder(out, content(tensors), { maxShardBytes: 32 });
    const index = JSON.parse(await readFile(join(out, "model.safetensors.index.json"), "utf8"));
    expect(index).toEqual({
      metadata: { total_size: 48 },
      weight_map: {
        a: "model-00001-of-00002.safetensors",
        b: "model-00001-of-00002.safetensors",
        c: "model-00002-of-00002.safetensors",
      },
    });
  });

  it("reports every byte that it writes", async () => {
    const seen: number[] = [];
    await saveFolder(out, two, { onProgress: ({ done, total }) => seen.push(done, total) });
    const sizes = await Promise.all((await readdir(out)).map(async (name) => (await stat(join(out, name))).size));
    const total = sizes.reduce((a, b) => a + b);
    expect(seen.slice(-2)).toEqual([total, total]);
  });

  it.each([
    ["two tensors of one name", content([tensor("a", "F32", [1]), tensor("a", "F32", [1])]), /two tensors a/],
    [
      "a size that is not that of the shape",
      content([{ ...tensor("a", "F32", [2]), byteLength: 9 }]),
      /has 9, expected 8/,
    ],
    [
      "too few bytes",
      content([{ ...tensor("a", "F32", [2]), chunks: tensor("", "F16", [2]).chunks }]),
      /gave 4, expected 8/,
    ],
    ["too many bytes", content([{ ...tensor("a", "F32", [2]), chunks: tensor("", "F32", [3]).chunks }]), /gave more/],
    ["an extra file elsewhere", content([], { "../x": "" }), /may be called "\.\.\/x"/],
    ["an extra config.json", content([], { "config.json": "" }), /may be called "config\.json"/],
  ])("refuses %s and leaves nothing", async (_, wrong, message) => {
    await expect(saveFolder(out, wrong)).rejects.toMatchObject({
      code: "save-content",
      message: expect.stringMatching(message),
    });
    expect(await readdir(parent)).toEqual([]);
  });
});

describe("a folder that exists", () => {
  it("is used when empty", async () => {
    await mkdir(out);
    await saveFolder(out, two);
    expect(await readdir(parent)).toEqual(["model"]);
  });

  it("is replaced only if Refrain wrote it and overwrite is set", async () => {
    await saveFolder(out, content([tensor("old", "F32", [1])], { "old.json": "" }));
    await expect(saveFolder(out, two)).rejects.toMatchObject({ code: "output-exists", kind: "input" });
    await saveFolder(out, two, { overwrite: true });
    expect((await readdir(out)).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    expect(await readdir(parent)).toEqual(["model"]);
  });

  it("is never replaced if it is something else", async () => {
    await saveFolder(out, two);
    await mkdir(join(out, ".git"));
    const overwrite = () => saveFolder(out, two, { overwrite: true });
    await expect(overwrite()).rejects.toThrow(/is not empty: it has \.git, config\.json/);
    await rm(out, { recursive: true });
    await mkdir(out);
    await writeFile(join(out, "model.safetensors"), "thesis");
    await expect(overwrite()).rejects.toMatchObject({ code: "output-exists" });
    await rm(out, { recursive: true });
    await writeFile(out, "file");
    await expect(overwrite()).rejects.toThrow(/is a file, expected a folder/);
    expect(await readFile(out, "utf8")).toBe("file");
  });

  it("survives a failed attempt to replace it", async () => {
    await saveFolder(out, content([tensor("old", "F32", [1])]));
    const failing = content([{ ...tensor("a", "F32", [2]), chunks: tensor("", "F16", [2]).chunks }]);
    await expect(saveFolder(out, failing, { overwrite: true })).rejects.toThrow();
    const model = await openHuggingFace(out);
    expect([...model.tensors.keys()]).toEqual(["old"]);
    await model.close();
    expect(await readdir(parent)).toEqual(["model"]);
  });
});

describe("what stops a save", () => {
  const systemError = (code: string) => Object.assign(new Error(`${code}: made by a test`), { code });

  it("a disk that is too full is noticed before anything is written", async () => {
    const disk: Disk = { freeBytes: async () => 100, write: () => Promise.reject(new Error("must not write")) };
    const saving = saveFolder(join(out, "deep", "er"), two, { disk });
    await expect(saving).rejects.toMatchObject({ kind: "failure", code: "disk-full" });
    await expect(saving).rejects.toThrow(/Not enough space in .*: \d+ bytes are needed, 100 are free/);
    expect(await readdir(parent)).toEqual([]);
  });

  it("a disk that becomes full in the middle leaves nothing", async () => {
    let room = 220;
    const disk: Disk = {
      freeBytes: async () => 1e9,
      write: async (file, bytes, position) => {
        room -= bytes.length;
        if (room < 0) throw systemError("ENOSPC");
        await realDisk.write(file, bytes, position);
      },
    };
    const saving = saveFolder(out, two, { disk });
    await expect(saving).rejects.toMatchObject({ kind: "failure", code: "disk-full" });
    await expect(saving).rejects.toThrow(/\d+ bytes are needed, the disk became full/);
    expect(await readdir(parent)).toEqual([]);
  });

  it("a folder without permission is named", async () => {
    const disk: Disk = { ...realDisk, write: () => Promise.reject(systemError("EACCES")) };
    await expect(saveFolder(out, two, { disk })).rejects.toMatchObject({ kind: "failure", code: "not-writable" });
  });

  it("an abort in the middle leaves nothing, not even the folders above", async () => {
    const controller = new AbortController();
    const deep = join(parent, "new", "folders", "model");
    const saving = saveFolder(deep, two, {
      signal: controller.signal,
      onProgress: ({ done, total }) => done > total / 3 && controller.abort(),
    });
    await expect(saving).rejects.toMatchObject({ kind: "failure", code: "interrupted" });
    expect(await readdir(parent)).toEqual([]);
    await expect(saveFolder(out, two, { signal: controller.signal })).rejects.toMatchObject({ code: "interrupted" });
  });

  it("another save to the same folder is refused", async () => {
    const first = saveFolder(out, two);
    await expect(saveFolder(out, two)).rejects.toMatchObject({ code: "output-busy", kind: "input" });
    await first;
    expect(await readdir(parent)).toEqual(["model"]);
  });

  /** A process that saves for ever, until the signal; gives what it ended with. */
  async function saveAndSend(signal: NodeJS.Signals, onSignal = "") {
    const root = resolve(import.meta.dirname, "../..");
    const script = join(parent, "endless.ts");
    const endless = `
      import { saveFolder } from ${JSON.stringify(join(root, "src/weights/save.ts"))};
      async function* chunks() { for (;;) { yield new Uint8Array(1000); await new Promise((done) => setTimeout(done, 5)); } }
      const controller = new AbortController();
      ${onSignal}
      const tensor = { name: "a", type: "F32", shape: [1e8], byteLength: 4e8, chunks } as const;
      await saveFolder(${JSON.stringify(out)}, { config: {}, tensors: [tensor], extraFiles: {} }, controller)
        .catch((error) => { process.exitCode = error.code === "interrupted" ? 130 : 1; });`;
    await writeFile(script, endless);
    const child = spawn(process.execPath, ["--import", join(root, "test/run-ts.mjs"), script], { stdio: "ignore" });
    const ended = new Promise((done) => child.on("exit", (exitCode, endedBy) => done(endedBy ?? exitCode)));
    const partial = join(parent, `.model.partial-${child.pid}`, "model.safetensors");
    for (let tries = 0; tries < 1000 && !(await stat(partial).catch(() => undefined))?.size; tries++) await sleep(10);
    expect((await stat(partial)).size).toBeGreaterThan(0);
    child.kill(signal);
    const endedBy = await ended;
    await rm(script);
    return endedBy;
  }

  it.each(["SIGINT", "SIGTERM"] as const)("%s leaves nothing and still ends the process", async (signal) => {
    expect(await saveAndSend(signal)).toBe(signal);
    expect(await readdir(parent)).toEqual([]);
  });

  it("a program that listens to Ctrl-C itself decides what it means", async () => {
    expect(await saveAndSend("SIGINT", 'process.once("SIGINT", () => controller.abort());')).toBe(130);
    expect(await readdir(parent)).toEqual([]);
  });

  it("what a killed process leaves, the next save removes", async () => {
    expect(await saveAndSend("SIGKILL")).toBe("SIGKILL");
    expect(await readdir(parent)).toEqual([expect.stringMatching(/^\.model\.partial-\d+$/)]);
    await mkdir(join(parent, `.model.partial-1`)); // init lives
    await mkdir(join(parent, `.model2.partial-99999999`)); // not ours
    await saveFolder(out, two);
    expect((await readdir(parent)).sort()).toEqual([".model.partial-1", ".model2.partial-99999999", "model"]);
  });

  it("a folder that stepped aside for a process that died returns", async () => {
    await saveFolder(out, two);
    const model = await readdir(out);
    await rename(out, join(parent, ".model.replaced-99999999"));
    await expect(saveFolder(out, two)).rejects.toMatchObject({ code: "output-exists" });
    expect(await readdir(out)).toEqual(model);
  });
});
