import { describe, expect, it } from "vitest";
import { argument, argumentList, choice, flag, integer, number, text, texts, withDefault } from "./options.ts";
import { readArguments } from "./read-arguments.ts";

const options = {
  first: argument({ description: "a file" }),
  others: argumentList({ description: "more files" }),
  temperature: withDefault(number({ hint: "T", min: 0, max: 2, description: "how bold" }), 0.8),
  seed: integer({ hint: "N", min: 0, max: Number.MAX_SAFE_INTEGER, description: "the seed" }),
  stop: text({ hint: "TEXT", description: "where to stop" }),
  also: texts({ hint: "TEXT", alias: "a", description: "more of it" }),
  share: number({ hint: "P", min: 0, aboveMin: true, max: 1, description: "a share" }),
  by: choice(["angular", "influence"], { description: "the method" }),
  loud: flag({ alias: "l", description: "loud" }),
} as const;

const read = (...words: string[]) => readArguments(words, options, "refrain test");

describe("options", () => {
  it("have the values that were given, or their defaults", () => {
    expect(read("a", "b", "c", "--seed", "7", "-l", "--by=angular", "--stop", "x y")).toEqual({
      first: "a",
      others: ["b", "c"],
      temperature: 0.8,
      seed: 7,
      stop: "x y",
      also: [],
      share: undefined,
      by: "angular",
      loud: true,
    });
    expect(read("a", "b", "--temperature", "0")).toEqual({
      first: "a",
      others: ["b"],
      temperature: 0,
      seed: undefined,
      stop: undefined,
      also: [],
      share: undefined,
      by: undefined,
      loud: false,
    });
  });

  it("may be repeated where that has a meaning, and keep their order", () => {
    expect(read("a", "--also", "1", "b", "-a", "x y", "--also=3").also).toEqual(["1", "x y", "3"]);
  });

  it("are found among the arguments, and values may begin with one dash", () => {
    expect(read("--loud", "a", "--stop", "-", "b").others).toEqual(["b"]);
    expect(read("a", "b", "--stop=--loud").stop).toBe("--loud");
    expect(read("a", "b", "--stop=").stop).toBe("");
  });

  it.each([".5", "5e-1", "0.50", "+0.5"])("read %s as a number", (raw) => {
    expect(read("a", "b", "--temperature", raw).temperature).toBe(0.5);
  });

  it.each([
    ["--temperature", "2.1", "a number from 0 to 2"],
    ["--temperature", "-1", "a number from 0 to 2"],
    ["--temperature", "NaN", "a number from 0 to 2"],
    ["--temperature", "", "a number from 0 to 2"],
    ["--temperature", "0x1", "a number from 0 to 2"],
    ["--temperature", "1e999", "a number from 0 to 2"],
    ["--seed", "1.5", "a whole number from 0"],
    ["--seed", "-1", "a whole number from 0"],
    ["--seed", "9007199254740993", "a whole number from 0"],
    ["--share", "0", "a number above 0, to 1"],
    ["--share", "1.5", "a number above 0, to 1"],
    ["--also", "", "a text of at least one character"],
    ["--by", "Angular", "one of angular, influence"],
  ])("refuse %s %j", (option, raw, allowed) => {
    expect(() => read("a", "b", option, raw)).toThrow(
      expect.objectContaining({ code: "option-value", message: `${option}: got "${raw}", expected ${allowed}` }),
    );
  });

  it("refuse a list of no arguments", () => {
    expect(() => read("a")).toThrow(expect.objectContaining({ code: "argument-missing" }));
  });

  it.each(["--__proto__", "--constructor", "--toString=1", "--first=x"])("refuse %s, which is no option", (word) => {
    expect(() => read("a", "b", word)).toThrow(expect.objectContaining({ code: "unknown-option" }));
  });
});
