import { describe, expect, it } from "vitest";
import { nearest } from "./nearest.ts";

const commands = ["run", "chat", "inspect", "measure", "shrink", "eval", "compare", "demo"];

describe("nearest", () => {
  it.each([
    ["inspekt", "inspect"],
    ["mesaure", "measure"],
    ["rnu", "run"],
    ["comp", "compare"],
    ["chats", "chat"],
  ])("to %s is %s", (word, expected) => {
    expect(nearest(word, commands)).toBe(expected);
  });

  it.each(["", "train", "x", "e".repeat(100_000)])("to %.20s is nothing", (word) => {
    expect(nearest(word, commands)).toBeUndefined();
  });
});
