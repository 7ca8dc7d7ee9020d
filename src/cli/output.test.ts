import { describe, expect, it } from "vitest";
import { Output } from "./output.ts";

function output(options: { json?: boolean; quiet?: boolean }) {
  const written = { out: "", err: "" };
  const stream = (key: "out" | "err") => ({
    write: (text: string, done?: () => void) => {
      written[key] += text;
      done?.();
      return true;
    },
    on: () => {},
  });
  return { output: new Output(stream("out"), stream("err"), { json: false, quiet: false, ...options }), written };
}

describe("Output", () => {
  it("writes typed arrays, maps and what is no number as JSON knows them", () => {
    const { output: json, written } = output({ json: true });
    json.result({ row: new Float32Array([0.5, 2]), uses: new Map([[3, 1]]), worst: Number.NaN }, "");
    expect(JSON.parse(written.out)).toEqual({ row: [0.5, 2], uses: { 3: 1 }, worst: null });
  });

  it("keeps notes for people", () => {
    for (const options of [{ json: true }, { quiet: true }]) {
      const { output: silent, written } = output(options);
      silent.note("loading");
      expect(written.err).toBe("");
    }
  });

  it("prints one result only", () => {
    const { output: twice } = output({});
    twice.result({}, "one");
    expect(() => twice.result({}, "two")).toThrow("two results");
  });
});
