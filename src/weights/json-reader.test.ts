import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonReader } from "./json-reader.ts";

function read(text: string | Uint8Array): unknown {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const json = new JsonReader(bytes, { name: "f.json", code: "json" });
  const value = json.value();
  json.end();
  return value;
}

describe("JsonReader", () => {
  it("reads what JSON.stringify writes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 3 }), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(JSON.stringify(read(text))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  it("agrees with JSON.parse on what is JSON, duplicate keys aside", () => {
    const pieces = ["{", "}", "[", "]", ",", ":", '"a"', '"\\u00e4"', '"\\x"', "1", "-0.5e3", "01", "true", "nul", " "];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 7 }), (parts) => {
        const text = parts.join("");
        const parse = (parser: (text: string) => unknown) => {
          try {
            return JSON.stringify(parser(text));
          } catch {
            return "refused";
          }
        };
        expect(parse(read)).toBe(parse(JSON.parse));
      }),
      { numRuns: 3000 },
    );
  });

  it("keeps __proto__ an ordinary key", () => {
    const value = read('{"__proto__": {"polluted": 1}}');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(value).not.toHaveProperty("polluted");
  });

  it.each([
    ["a key that stands twice", '{"a": 1,\n "b": 2, "a": 3}', /key "a" stands twice .* at line 2, column 10/],
    ["the same key, written with an escape", '{"a": 1, "\\u0061": 3}', /key "a" stands twice/],
    ["a nesting bomb", "[".repeat(100_000), /nested deeper than 32 levels, at line 1, column 33/],
    ["too many values", `[${"0,".repeat(600_000)}0]`, /more than 524288 values/],
    ["too much text", `"${"a".repeat(17_000_000)}"`, /more than 16777216 bytes of text/],
    ["a missing comma", '{"a": 1 "b": 2}', /expected "," or "}", got "\\"", at line 1, column 9/],
    ["text after the end", "{} x", /expected the end, got "x", at line 1, column 4/],
    ["an early end", '{"a": ', /expected a value, got the end/],
    ["a string without an end", '{"a', /a string has no end, at line 1, column 2/],
    ["a line break in a string", '{"a\nb": 1}', /a control character stands in a string/],
    ["a bad escape", '{"\\q": 1}', /bad escape/],
    ["a number with a leading zero", "[007]", /expected a value, got 007/],
    ["NaN", "[NaN]", /expected a value, got "N"/],
    ["bytes that are not UTF-8", new Uint8Array([0x22, 0xc3, 0x28, 0x22]), /not UTF-8/],
  ])("refuses %s", (_, text, message) => {
    expect(() => read(text)).toThrow(message);
    expect(() => read(text)).toThrow(expect.objectContaining({ kind: "input", code: "json" }));
  });

  it.each(["-1", "1.5", "1e3", "9007199254740992", '"1"', ""])("reads no unsigned integer from %j", (text) => {
    const json = new JsonReader(new TextEncoder().encode(text), { name: "f", code: "json", offset: 8 });
    expect(() => json.unsigned()).toThrow(/expected an integer from 0 to 2\^53 - 1.* at byte 8/);
  });
});
