import { describe, expect, it } from "vitest";
import { firstTokens } from "./first-tokens.ts";

describe("firstTokens", () => {
  /** A token for every word; what was encoded, in characters. */
  const words = () => {
    const read: number[] = [];
    const encode = (text: string) => {
      read.push(text.length);
      return text.split(" ").map((word) => word.length);
    };
    return { encode, read };
  };
  const lengths = Array.from({ length: 2000 }, (_, i) => 1 + (i % 40));
  const text = lengths.map((length) => "x".repeat(length)).join(" ");

  it.each([1, 10, 500, 1999, 2000, 3000])("gives the same %d as the whole text does", (count) => {
    expect(firstTokens(words(), text, count)).toEqual(lengths.slice(0, count));
  });

  it("gives all where none are counted", () => {
    expect(firstTokens(words(), text)).toEqual(lengths);
  });

  it("does not read a long text to its end for a few", () => {
    const tokenizer = words();
    firstTokens(tokenizer, text, 10);
    expect(Math.max(...tokenizer.read)).toBeLessThan(text.length / 10);
  });
});
