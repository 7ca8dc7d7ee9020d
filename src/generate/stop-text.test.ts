import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stopText } from "./stop-text.ts";

function run(pieces: readonly string[], stops: readonly string[]) {
  const search = stopText(stops);
  const shown = pieces.map((piece) => search.push(piece));
  return { shown, text: shown.join("") + search.end(), stopped: search.stopped };
}

describe("stopText", () => {
  it("finds a stop string that lies across pieces, and shows nothing of it", () => {
    expect(run(["Hello <", "|e", "nd|> more"], ["<|end|>"])).toEqual({
      shown: ["Hello ", "", ""],
      text: "Hello ",
      stopped: true,
    });
  });

  it("gives out what was held back once it cannot become a stop string", () => {
    expect(run(["a<", "<|x", "b"], ["<|end|>"])).toEqual({ shown: ["a", "<<|x", "b"], text: "a<<|xb", stopped: false });
  });

  it("gives out at the end what was held back", () => {
    expect(run(["done\n"], ["\n\nUser"])).toEqual({ shown: ["done"], text: "done\n", stopped: false });
  });

  it("takes the stop string that begins first", () => {
    expect(run(["one two three"], ["three", "two"]).text).toBe("one ");
  });

  it("shows what a search in the whole text shows, however the text is cut", () => {
    const short = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(short, { maxLength: 12 }),
        fc.array(short, { minLength: 1, maxLength: 3 }),
        (pieces, stops) => {
          const whole = pieces.join("");
          const found = stops.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0);
          const result = run(pieces, stops);
          expect(result.stopped).toBe(found.length > 0);
          // A longer stop may begin earlier and be complete only after a shorter one: then the shorter one has ended it.
          if (stops.length === 1 || found.length === 0) {
            expect(result.text).toBe(found.length > 0 ? whole.slice(0, Math.min(...found)) : whole);
          }
          for (const stop of stops) expect(result.text).not.toContain(stop);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
