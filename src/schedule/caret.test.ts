import { describe, expect, it } from "vitest";
import { pointAt } from "./caret.ts";

describe("pointAt", () => {
  it("puts the caret under the place", () => {
    expect(pointAt("0-5 zz", 4, 2)).toBe("\n  0-5 zz\n      ^^");
  });

  it("points behind the end", () => {
    expect(pointAt("0-", 2)).toBe("\n  0-\n    ^");
  });

  it("cuts a long text on both sides and keeps the caret under the place", () => {
    const [, line, caret] = pointAt(`${"0 ".repeat(500)}?${" 1".repeat(500)}`, 1000).split("\n");
    expect(line).toMatch(/^ {2}….*….?$/);
    expect(line!.length).toBeLessThan(110);
    expect(line![caret!.indexOf("^")]).toBe("?");
  });

  it("lets no line break and no control character through", () => {
    expect(pointAt("0\n1\t\u001b[31m\u202e", 2)).toBe("\n  0 1 ?[31m?\n    ^");
  });
});
