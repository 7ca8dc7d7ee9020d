import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TextList } from "../weights/text-list.ts";
import { mergesOfPairs, mergesOfTexts } from "./merges.ts";
import { Pieces } from "./pieces.ts";

const texts = fc.uniqueArray(fc.string({ unit: "binary", maxLength: 5 }), { minLength: 1, maxLength: 80 });

describe("Pieces", () => {
  it("finds every text that is there and no other, and gives it back", () => {
    fc.assert(
      fc.property(texts, fc.array(fc.string({ unit: "binary", maxLength: 3 })), (all, others) => {
        const pieces = new Pieces("test", TextList.of(all));
        for (const [id, text] of all.entries()) expect([pieces.id(text), pieces.text(id)]).toEqual([id, text]);
        for (const other of others) expect(pieces.id(other)).toBe(all.includes(other) ? all.indexOf(other) : undefined);
        expect([pieces.size, pieces.text(all.length), pieces.text(-1), pieces.text(0.5)]).toEqual([
          all.length,
          undefined,
          undefined,
          undefined,
        ]);
      }),
    );
  });

  it("has holes, and added tokens that come first", () => {
    const pieces = new Pieces("test", TextList.of(["a", "", "b"]), new Set([1]));
    expect([pieces.text(1), pieces.id(""), [...pieces.ids()]]).toEqual([undefined, undefined, [0, 2]]);
    pieces.add(7, "b");
    pieces.add(0, "<end>");
    expect([pieces.id("b"), pieces.baseId("b"), pieces.text(0), pieces.id("a"), pieces.size]).toEqual([
      7,
      2,
      "<end>",
      0,
      8,
    ]);
  });
});

describe("Merges", () => {
  const pieces = new Pieces("test", TextList.of(["a", "b", "ab", "aba", "é", "éa"]));

  it("know which pairs are joined, to what, and in which order", () => {
    for (const merges of [
      mergesOfTexts(TextList.of(["é a", "a b", "ab a"]), pieces),
      mergesOfPairs(
        [
          ["é", "a"],
          ["a", "b"],
          ["ab", "a"],
        ],
        pieces,
      ),
    ]) {
      expect([...Array.from(merges.joined)]).toEqual([5, 2, 3]);
      expect([merges.rank(4, 0), merges.rank(0, 1), merges.rank(2, 0), merges.rank(1, 0), merges.rank(-1, 0)]).toEqual([
        0, 1, 2, -1, -1,
      ]);
    }
  });

  it("of two of one pair the later counts", () => {
    expect(mergesOfTexts(TextList.of(["a b", "é a", "a b"]), pieces).rank(0, 1)).toBe(2);
  });

  it.each([
    ["one token", ["ab"], 'merge 0 should be two tokens, it is "ab"'],
    ["three tokens", ["a b", "a b a"], 'merge 1 should be two tokens, it is "a b a"'],
    ["an unknown part", ["a c"], 'merge 0, ["a","c"], joins what is not in the vocabulary'],
    ["an empty part", ["a "], 'merge 0, ["a",""], joins'],
    ["an unknown whole", ["b a"], 'merge 0 makes "ba", which is not in the vocabulary'],
  ])("refuse %s", (_, list, message) => {
    expect(() => mergesOfTexts(TextList.of(list), pieces)).toThrow(message);
    expect(() =>
      mergesOfPairs(
        list.map((text) => text.split(" ")),
        pieces,
      ),
    ).toThrow(/^tokenizer.json: merge/);
  });
});
