/** `refrain/web` in a real browser, with threads and without, against the same model in Node. */
import { resolve } from "node:path";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasChromium, launch } from "../bench/browser/launch.mjs";
import { serve } from "../bench/browser/server.mjs";
import { load } from "../src/refrain.ts";
import { fixturePath } from "./fixtures.ts";

const root = resolve(import.meta.dirname, "..");
const prompt = [1, 5, 9, 2, 7];

/** What the worker of the page below sends back. */
interface Answer {
  readonly engine: string;
  readonly logits: readonly number[];
  readonly text: string;
  readonly shared: readonly number[];
}

const worker = `
import { load } from "/web.js";
self.onmessage = async ({ data: prompt }) => {
  try {
    const model = await load("/models/llama-gqa.gguf", { threads: 2 });
    const logits = async (model) => {
      const session = model.session();
      const values = [...await session.feed(prompt)];
      session.dispose();
      return values;
    };
    let text = "";
    for await (const piece of model.generate(prompt, { maxTokens: 8, temperature: 0 })) text += piece;
    const shared = await logits(model.withSchedule("0 0 1"));
    self.postMessage({ engine: model.engine, logits: await logits(model), text, shared });
    await model.dispose();
  } catch (error) {
    self.postMessage({ error: String(error) + " " + error.help });
  }
};`;

describe.skipIf(!hasChromium)("a model in Chromium (needs chromium installed, or named in CHROMIUM)", () => {
  let browser: Awaited<ReturnType<typeof launch>>;
  let code: string;
  let expected: Answer;

  beforeAll(async () => {
    const bundle = await rolldown({ input: resolve(root, "src/web.ts"), platform: "browser" });
    code = (await bundle.generate({ format: "esm" })).output[0].code;
    const model = await load(fixturePath("gguf/llama-gqa.gguf"), { threads: 2 });
    let text = "";
    for await (const piece of model.generate(prompt, { maxTokens: 8, temperature: 0 })) text += piece;
    const logits = Array.from(await model.session().feed(prompt));
    const shared = Array.from(await model.withSchedule("0 0 1").session().feed(prompt));
    expected = { engine: model.engine, logits, text, shared };
    await model.dispose();
    browser = await launch();
  });
  afterAll(() => browser?.close());

  const answerOf = async (isolated: boolean): Promise<Answer> => {
    const paths = { "/models/": fixturePath("gguf"), "/wasm/": resolve(root, "wasm") };
    const server = await serve({
      paths,
      texts: { "/": "<!doctype html>", "/web.js": code, "/worker.js": worker },
      isolated,
    });
    const page = await browser.newPage();
    try {
      await page.goto(server.url);
      const answer = await page.evaluate(async (tokens) => {
        const worker = new Worker("/worker.js", { type: "module" });
        return new Promise<Answer & { error?: string }>((resolve, reject) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = ({ message }) => reject(new Error(message));
          worker.postMessage(tokens);
        });
      }, prompt);
      expect(answer.error).toBeUndefined();
      return answer;
    } finally {
      await page.close();
      await server.close();
    }
  };

  const near = (ours: readonly number[], theirs: readonly number[]) => {
    expect(ours.length).toBe(theirs.length);
    ours.forEach((value, i) => {
      expect(value).toBeCloseTo(theirs[i]!, 4);
    });
  };

  it("plays on two threads where the page is cross-origin isolated", async () => {
    const answer = await answerOf(true);
    expect(answer.engine).toMatch(/, 2 threads$/);
    near(answer.logits, expected.logits);
    near(answer.shared, expected.shared);
    expect(answer.text).toBe(expected.text);
  });

  it("plays on one thread where it is not", async () => {
    const answer = await answerOf(false);
    expect(answer.engine).toMatch(/, 1 thread$/);
    near(answer.logits, expected.logits);
    near(answer.shared, expected.shared);
    expect(answer.text).toBe(expected.text);
  });
});
