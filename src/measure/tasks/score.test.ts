import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { tinyModel } from "../../cli/tiny-model.testing.ts";
import { load, type Model } from "../../refrain.ts";
import { encodeItem } from "./encode.ts";
import { scoreRequests, tokensNeeded } from "./score.ts";

let model: Model;
let remove: () => Promise<void>;
beforeAll(async () => {
  const tiny = await tinyModel();
  remove = tiny.remove;
  model = await load(tiny.path, { weights: "f32" });
});
afterAll(async () => {
  await model.dispose();
  await remove();
});

const tokens = (text: string) => [...Buffer.from(text)];

/** Token by token, from the logits, in float64; nothing shared. */
async function slowly(context: readonly number[], continuation: readonly number[]) {
  const session = model.session({ contextLength: 128 });
  const all = [...context, ...continuation].slice(-129);
  let sum = 0;
  let greedy = true;
  let logits = new Float32Array();
  for (const [i, token] of all.entries()) {
    if (i >= all.length - continuation.length) {
      const most = Math.max(...logits);
      sum += logits[token]! - most - Math.log(logits.reduce((total, x) => total + Math.exp(x - most), 0));
      greedy &&= logits.indexOf(most) === token;
    }
    if (i < all.length - 1) logits = Float32Array.from(await session.feed([token]));
  }
  session.dispose();
  return { logLikelihood: sum, greedy };
}

describe("scoreRequests", () => {
  const text = fc.array(fc.integer({ min: 5, max: 100 }), { minLength: 1, maxLength: 90 });
  const short = fc.array(fc.integer({ min: 5, max: 8 }), { minLength: 1, maxLength: 6 });
  const requests = fc.oneof(
    // One context; continuations that often begin alike, or are one token.
    fc
      .tuple(text, fc.array(short, { minLength: 1, maxLength: 5 }))
      .map(([context, continuations]) => continuations.map((continuation) => ({ context, continuation }))),
    fc.array(fc.record({ context: text, continuation: text }), { minLength: 1, maxLength: 3 }),
  );

  it("is what the same sequences give token by token, whatever they share and wherever they are cut", {
    timeout: 60_000,
  }, async () => {
    const session = model.session({ output: "loss", contextLength: 128 });
    await fc.assert(
      fc.asyncProperty(requests, async (given) => {
        const scores = await scoreRequests(session, given);
        for (const [i, { context, continuation }] of given.entries()) {
          const expected = await slowly(context, continuation);
          expect(scores[i]!.logLikelihood / expected.logLikelihood).toBeCloseTo(1, 4);
          expect(scores[i]!.greedy).toBe(expected.greedy);
        }
      }),
      { numRuns: 40 },
    );
    session.dispose();
  });

  it("what the model says itself is greedy, and another last token is not", async () => {
    const session = model.session({ contextLength: 128 });
    const context = tokens("Once upon a time");
    const next: number[] = [];
    let logits = await session.feed(context);
    for (let i = 0; i < 3; i++) {
      next.push(logits.indexOf(Math.max(...logits)));
      logits = await session.feed([next.at(-1)!]);
    }
    session.dispose();
    const scorer = model.session({ output: "loss", contextLength: 128 });
    const other = [...next.slice(0, 2), (next[2]! + 1) % 100];
    const scores = await scoreRequests(
      scorer,
      [other, next].map((continuation) => ({ context, continuation })),
    );
    expect(scores.map(({ greedy }) => greedy)).toEqual([false, true]);
    scorer.dispose();
  });

  it("plays what sequences share once, and what differs in the last token not at all", async () => {
    const session = model.session({ output: "loss", contextLength: 128 });
    const play = vi.spyOn(session, "play");
    const rows = () => play.mock.calls.reduce((sum, [tokens]) => sum + tokens.length, 0);
    const context = Array.from({ length: 50 }, (_, i) => 5 + i);
    await scoreRequests(
      session,
      [[7], [8], [9]].map((continuation) => ({ context, continuation })),
    );
    expect(rows()).toBe(50);
    play.mockClear();
    await scoreRequests(
      session,
      [
        [7, 1],
        [8, 2],
      ].map((continuation) => ({ context, continuation })),
    );
    // The last row of the context is played twice: it must give its logits anew.
    expect(rows()).toBe(51 + 2);
    session.dispose();
  });

  it("refuses a continuation that is longer than the context", async () => {
    const session = model.session({ output: "loss", contextLength: 16 });
    const long = [{ context: [5], continuation: Array.from({ length: 17 }, () => 6) }];
    await expect(scoreRequests(session, long)).rejects.toMatchObject({ code: "task-item", kind: "input" });
    session.dispose();
  });

  it("stops where it is interrupted", async () => {
    const session = model.session({ output: "loss", contextLength: 128 });
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(scoreRequests(session, [{ context: [5], continuation: [6] }], signal)).rejects.toThrow("enough");
    session.dispose();
  });
});

describe("encodeItem", () => {
  /** Pairs of letters are tokens. */
  const pairs = { encode: (text: string) => (text.match(/..?/gs) ?? []).map((piece) => piece.charCodeAt(0)) };
  const item = (context: string, continuation: string) => ({
    requests: [{ context, continuation }],
    gold: 0,
    lengths: [1],
  });

  it("gives the spaces that end a context to the continuation, and splits by the context's own tokens", () => {
    expect(encodeItem(pairs, item("ab  ", "cd"), "here")).toEqual([
      { context: tokens("a"), continuation: tokens(" c") },
    ]);
    // "abc" is "ab", "c"; with "de" behind it "ab", "cd", "e": two tokens belong to the context.
    expect(encodeItem(pairs, item("abc", "de"), "here")).toEqual([
      { context: tokens("ac"), continuation: tokens("e") },
    ]);
  });

  it("refuses what has no token of its own", () => {
    expect(() => encodeItem(pairs, item("abc", "d"), "f.jsonl, line 3")).toThrowError(
      /f\.jsonl, line 3: the continuation "d" has no tokens of its own/,
    );
    expect(() => encodeItem({ encode: () => [] }, item("a", "b"), "x")).toThrowError(/x: the context has no tokens/);
  });

  it("counts what the longest request needs", () => {
    expect(
      tokensNeeded([
        { context: [1, 2], continuation: [3] },
        { context: [1], continuation: [2, 3, 4] },
      ]),
    ).toBe(3);
  });
});
