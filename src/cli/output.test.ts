import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { Output } from "./output.ts";

function output({ isTTY = false, ...options }: { json?: boolean; quiet?: boolean; isTTY?: boolean }) {
  const written = { out: "", err: "" };
  const stream = (key: "out" | "err") => ({
    write: (text: string, done?: () => void) => {
      written[key] += text;
      done?.();
      return true;
    },
    on: () => {},
    isTTY,
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

  it("lets no text drive a terminal, and takes nothing from a pipe's", () => {
    const { output: terminal, written } = output({ isTTY: true });
    terminal.write("red \u001b[31m\u009b2J\r\ttext\n");
    terminal.note("a \u001b]0;title\u0007");
    expect(written).toEqual({ out: "red ?[31m?2J?\ttext\n", err: "a ?]0;title?\n" });
    const { output: pipe, written: piped } = output({});
    pipe.write("red \u001b[31m");
    expect(piped.out).toBe("red \u001b[31m");
  });

  it("ends an open line once, and only if there is one", () => {
    const { output: lines, written } = output({});
    lines.endLine();
    lines.write("a");
    lines.write("");
    lines.endLine();
    lines.endLine();
    lines.write("b\n");
    lines.endLine();
    expect(written.out).toBe("a\nb\n");
  });

  it("echoes on a terminal only", () => {
    const { output: terminal, written } = output({ isTTY: true });
    terminal.echo("Once");
    expect(stripVTControlCharacters(written.out)).toBe("Once");
    const { output: pipe, written: piped } = output({});
    pipe.echo("Once");
    pipe.endLine();
    expect(piped.out).toBe("");
  });

  it("says beside the result what was asked for, even to a script", () => {
    const { output: json, written } = output({ json: true, quiet: true });
    json.aside("the plan");
    expect(written).toEqual({ out: "", err: "the plan\n" });
  });

  it("asks for room before it writes", () => {
    const order: string[] = [];
    const stream = (name: string) => ({ write: () => order.push(name) > 0, on: () => {}, isTTY: true });
    const settings = { json: false, quiet: false };
    const output = new Output(stream("out"), stream("err"), settings, () => order.push("room"));
    output.write("a");
    output.echo("b");
    output.note("c");
    output.aside("d");
    output.result({}, "e");
    expect(order).toEqual(["out", "out", "err", "err", "out"].flatMap((name) => ["room", name]));
  });

  it("prints one result only", () => {
    const { output: twice } = output({});
    twice.result({}, "one");
    expect(() => twice.result({}, "two")).toThrow("two results");
  });
});
