import { expect, it } from "vitest";
import { type Column, markdownTable, textTable } from "./table.ts";
import { columnsOf, fitText, pixelsOf } from "./text-width.ts";

const columns: Column[] = [{ title: "model", align: "left" }, { title: "size", unit: "MB" }, { title: "perplexity" }];

it("numbers stand right, names left, units in the header", () => {
  const rows = [
    ["SmolLM2-135M", "269.1", "17.13"],
    ["模型", "98.0", "1,204.50"],
  ];
  expect(textTable(columns, rows)).toBe(
    [
      "model         size, MB  perplexity",
      "────────────  ────────  ──────────",
      "SmolLM2-135M     269.1       17.13",
      "模型              98.0    1,204.50",
    ].join("\n"),
  );
  expect(markdownTable(columns, rows)).toBe(
    [
      "| model | size, MB | perplexity |",
      "| :-- | --: | --: |",
      "| SmolLM2-135M | 269.1 | 17.13 |",
      "| 模型 | 98.0 | 1,204.50 |",
    ].join("\n"),
  );
});

it("a table without rows is its header", () => {
  expect(textTable(columns, []).split("\n")).toHaveLength(2);
});

it("a name cannot move the terminal's cursor, end a line or end a cell", () => {
  const row = ["a\u001b[2J\nb|c*d", "1", "2"];
  const text = textTable(columns, [row]);
  expect(text.split("\n")).toHaveLength(3);
  expect(text).toContain("a [2J b|c*d");
  expect(markdownTable(columns, [row])).toContain("| a \\[2J b\\|c\\*d | 1 | 2 |");
});

it.each([
  ["abc", 3],
  ["é", 1],
  ["e\u0301", 1],
  ["模型", 4],
  ["ｗ", 2],
  ["👩‍👩‍👧", 2],
  ["\u200b", 0],
  ["×", 1],
  ["–", 1],
])("%j takes %i columns", (text, expected) => {
  expect(columnsOf(text)).toBe(expected);
});

it("what does not fit is cut at a character and says so", () => {
  expect(fitText("short", 100, 12)).toBe("short");
  const cut = fitText("a very long name of a model", 100, 12);
  expect(cut).toMatch(/^a very lo.*…$/);
  expect(pixelsOf(cut, 12)).toBeLessThanOrEqual(100);
  expect(fitText("👩‍👩‍👧👩‍👩‍👧", 19.9, 10)).toBe("👩‍👩‍👧…");
});
