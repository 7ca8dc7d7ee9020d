import { describe, expect, it } from "vitest";
import { duration, describe as inWords, progressDisplay } from "./progress.ts";

/** A stream and a clock; `report` moves the clock to `ms` and reports. */
function display({ silent = false, isTTY = false } = {}) {
  let time = 0;
  let text = "";
  const cursor = { cursorTo: () => true, clearLine: () => true, moveCursor: () => true };
  const write = (piece: string) => {
    text += piece;
    return true;
  };
  const stream = { write, on: () => {}, isTTY, columns: 100, ...cursor };
  const { onProgress, clear, stop } = progressDisplay(stream, silent, () => time);
  return {
    report(ms: number, done: number, label = "loading") {
      time = ms;
      onProgress({ label, done, total: 100e6, unit: "bytes" });
    },
    clear,
    stop,
    text: () => text,
  };
}

describe("progress", () => {
  it("says nothing of work within two seconds", () => {
    for (const isTTY of [true, false]) {
      const shown = display({ isTTY });
      shown.report(0, 0);
      shown.report(1000, 50e6);
      shown.report(1999, 100e6);
      expect(shown.text()).toBe("");
    }
  });

  it("writes sparse lines where there is no terminal, and a last one", () => {
    const shown = display();
    shown.report(0, 0);
    for (let s = 1; s <= 40; s++) shown.report(s * 1000, s * 2.5e6);
    expect(shown.text().split("\n")).toEqual([
      "loading: 5 %, 5 of 100 MB, 2.5 MB/s, 38 s left",
      "loading: 42 %, 43 of 100 MB, 2.5 MB/s, 23 s left",
      "loading: 80 %, 80 of 100 MB, 2.5 MB/s, 8 s left",
      "loading: 100 %, 100 of 100 MB, 2.5 MB/s, 40 s",
      "",
    ]);
  });

  it("starts its clock again for every label", () => {
    const shown = display();
    shown.report(0, 0, "one");
    shown.report(1500, 50e6, "one");
    shown.report(2500, 0, "two");
    shown.report(4000, 50e6, "two");
    expect(shown.text()).toBe("");
    shown.report(4500, 50e6, "two");
    expect(shown.text()).toMatch(/^two: 50 %, .*25 MB\/s/);
  });

  it("draws a bar on a terminal and takes it off", () => {
    const shown = display({ isTTY: true });
    shown.report(0, 0);
    shown.report(3000, 30e6);
    expect(shown.text()).toContain("loading");
    expect(shown.text()).toContain("30 %  30 of 100 MB, 10 MB/s, 7 s left");
    shown.stop();
    const [hidden, back] = ["\u001b[?25l", "\u001b[?25h"].map((cursor) => shown.text().lastIndexOf(cursor));
    expect(back).toBeGreaterThan(hidden!);
  });

  it("makes room for something else, and is drawn again", () => {
    const shown = display({ isTTY: true });
    shown.report(0, 0);
    shown.report(3000, 30e6);
    const drawn = shown.text().length;
    shown.clear();
    expect(shown.text().slice(drawn)).toContain("\u001b[?25h");
    const cleared = shown.text().length;
    shown.clear();
    expect(shown.text().length).toBe(cleared);
    shown.report(4000, 40e6);
    expect(shown.text().slice(cleared)).toContain("40 %");
    shown.stop();
  });

  it("goes on with its lines, which need no room", () => {
    const shown = display();
    shown.report(0, 0);
    shown.report(3000, 30e6);
    shown.clear();
    shown.report(4000, 40e6);
    expect(shown.text().split("\n")).toHaveLength(2);
  });

  it("is silent when asked to be", () => {
    const shown = display({ silent: true, isTTY: true });
    shown.report(0, 0);
    shown.report(5000, 50e6);
    shown.report(9000, 100e6);
    shown.stop();
    expect(shown.text()).toBe("");
  });
});

describe("figures", () => {
  it("leave out a rate that is not known", () => {
    const detailed = { label: "", done: 3, total: 12, unit: "windows", detail: "loss 3.2" } as const;
    expect(inWords(detailed, 3, 5000)).toBe("loss 3.2; 3 of 12 windows");
    expect(inWords({ label: "", done: 3, total: 12, unit: "windows" }, 3, 5000)).toBe("3 of 12 windows");
    expect(inWords({ label: "", done: 3, total: 12, unit: "windows" }, 0, 0)).not.toMatch(/NaN/);
  });

  it("have a slow rate by the minute", () => {
    expect(inWords({ label: "", done: 3, total: 5, unit: "measurements" }, 0, 60_000)).toBe(
      "3 of 5 measurements, 3 measurements/min, 40 s left",
    );
  });

  it("do not count what was done before", () => {
    const resumed = { label: "", done: 3000, total: 4000, unit: "tokens" } as const;
    expect(inWords(resumed, 2000, 1000)).toBe("3,000 of 4,000 tokens, 1,000 tokens/s, 1 s left");
  });

  it.each([
    [0.2, "1 s"],
    [59.5, "1 min 0 s"],
    [125, "2 min 5 s"],
    [4800, "1 h 20 min"],
  ])("%d seconds are %s", (seconds, words) => {
    expect(duration(seconds)).toBe(words);
  });
});
