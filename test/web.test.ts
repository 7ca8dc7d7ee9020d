/**
 * `refrain/web` as far as Node can stand in for a browser: its module graph, and a model loaded over HTTP with workers
 * that have a browser's interface. `browser.test.ts` is the same in a real one.
 */
import { resolveObjectURL } from "node:buffer";
import { resolve } from "node:path";
import { Worker as NodeWorker } from "node:worker_threads";
import { rolldown } from "rolldown";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { serve } from "../bench/browser/server.mjs";
import { load as loadInNode } from "../src/refrain.ts";
import { load } from "../src/web.ts";
import { fixturePath } from "./fixtures.ts";

const root = resolve(import.meta.dirname, "..");
const ids = [1, 5, 9, 2, 7];

/** As much of a browser's Worker as the host uses, in a thread of Node. */
class WebWorker {
  onmessage: (event: { data: unknown }) => void = () => {};
  onerror: (event: { message: string }) => void = () => {};
  private readonly started: Promise<NodeWorker>;

  constructor(address: string) {
    const blob = resolveObjectURL(address)!;
    this.started = blob.text().then((source) => {
      const prelude = `const { parentPort } = require("node:worker_threads");
        const self = { postMessage: (data) => parentPort.postMessage(data) };
        parentPort.on("message", (data) => self.onmessage({ data }));`;
      const worker = new NodeWorker(`${prelude}${source}`, { eval: true });
      worker.on("message", (data) => this.onmessage({ data }));
      worker.on("error", ({ message }) => this.onerror({ message }));
      worker.unref();
      return worker;
    });
  }

  postMessage(data: unknown): void {
    this.started.then((worker) => worker.postMessage(data));
  }

  terminate(): void {
    this.started.then((worker) => worker.terminate());
  }
}

describe("the entry for browsers", () => {
  it("imports nothing of Node, however far one follows it", async () => {
    const outside: string[] = [];
    const bundle = await rolldown({
      input: resolve(root, "src/web.ts"),
      platform: "browser",
      external: (id) => {
        const isOutside = !/^[./]/.test(id) && !/^(valibot|@huggingface\/(jinja|tokenizers))$/.test(id);
        if (isOutside) outside.push(id);
        return isOutside;
      },
    });
    const { output } = await bundle.generate({ format: "esm" });
    expect(outside).toEqual([]);
    expect(output.length).toBe(1);
    expect(output[0].code.length).toBeLessThan(500e3);
  });
});

describe("a model from the web", () => {
  let server: Awaited<ReturnType<typeof serve>>;

  beforeAll(async () => {
    server = await serve({ paths: { "/models/": fixturePath("gguf"), "/wasm/": resolve(root, "wasm") } });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    vi.stubGlobal("Worker", WebWorker);
    vi.stubGlobal("navigator", { hardwareConcurrency: 2 });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  const kernels = () => `${server.url}/wasm`;

  it("plays the same to the bit as the same file in Node, with workers and schedules", async () => {
    const here = await loadInNode(fixturePath("gguf/llama-gqa.gguf"), { threads: 2 });
    const there = await load(`${server.url}/models/llama-gqa.gguf`, { kernels: kernels() });
    expect(there.engine).toBe(here.engine);
    expect(there.engine).toMatch(/2 threads/);
    expect(there.path).toBe(`${server.url}/models/llama-gqa.gguf`);
    for (const schedule of [here.schedule, "0 0 1"]) {
      const [ours, theirs] = [here.withSchedule(schedule).session(), there.withSchedule(schedule).session()];
      expect((await theirs.feed(ids)).slice()).toEqual((await ours.feed(ids)).slice());
    }
    await Promise.all([here.dispose(), there.dispose()]);
  });

  it("plays on one thread where a page is not cross-origin isolated", async () => {
    vi.stubGlobal("crossOriginIsolated", false);
    const model = await load(`${server.url}/models/llama-gqa.gguf`, { kernels: kernels(), threads: 2 });
    expect(model.engine).toMatch(/1 thread$/);
    expect((await model.session().feed(ids)).every(Number.isFinite)).toBe(true);
    await model.dispose();
  });

  it("refuses to stop a page", async () => {
    vi.stubGlobal("document", {});
    await expect(load("x.gguf")).rejects.toMatchObject({
      code: "page-thread",
      help: expect.stringContaining("worker"),
    });
  });

  it("says where kernels were looked for", async () => {
    const model = `${server.url}/models/llama-gqa.gguf`;
    await expect(load(model, { kernels: `${server.url}/nowhere/` })).rejects.toMatchObject({
      code: "kernels-missing",
      message: expect.stringMatching(/nowhere\/\w+-threads\.wasm: the server answered 404/),
    });
    await expect(load(model, { kernels: "http://127.0.0.1:1" })).rejects.toMatchObject({ code: "kernels-missing" });
    const onePage = await serve({
      paths: {},
      texts: { "/dot-threads.wasm": "<html>", "/relaxed-threads.wasm": "<html>" },
    });
    await expect(load(model, { kernels: onePage.url })).rejects.toMatchObject({ code: "kernels-missing" });
    await onePage.close();
  });

  it("says that workers cannot be started", async () => {
    class Refused {
      onerror: (event: { message: string }) => void = () => {};
      postMessage(): void {
        queueMicrotask(() => this.onerror({ message: "" }));
      }
      terminate(): void {}
    }
    vi.stubGlobal("Worker", Refused);
    const loading = load(`${server.url}/models/llama-gqa.gguf`, { kernels: kernels(), threads: 2 });
    await expect(loading).rejects.toMatchObject({ code: "worker-start" });
  });

  it("says that a file is no GGUF", async () => {
    await expect(load(new Blob(["no model at all, but long enough to be one"]))).rejects.toMatchObject({
      code: "gguf-magic",
    });
  });
});
