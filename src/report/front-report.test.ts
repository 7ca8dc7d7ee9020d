import { expect, it } from "vitest";
import type { Search, Tried } from "../shrink/front.ts";
import { frontFiles, frontPicture } from "./front-report.ts";

const one = (weights: Tried["weights"], bytes: number, loss: number, front: boolean): Tried => ({
  way: "angular",
  count: 1,
  schedule: "0-1",
  weights,
  bytes,
  parameters: 10,
  loss,
  withinBudget: bytes <= 2e6,
  front,
});

const search: Search = {
  model: "org/Small-1M",
  text: "tales.txt",
  predictedTokens: 1270,
  budget: { kind: "fit", bytes: 2e6 },
  tried: [one("f16", 4e6, 2, true), one("q8", 2e6, 2.1, true), one("q8", 3e6, 2.5, false), one("q4", 1e6, 9, true)],
  chosen: 1,
};

/** Outlines of marks: circle, square, triangle, diamond. */
const marks = (svg: string) => svg.match(/<path d="M[\d.]+ [\d.]+m/g)?.length;

it("shows every candidate but those far above the best, the front, and what was chosen", () => {
  const svg = frontPicture(search);
  // A mark in the legend for each of the front, the choice and q8; two on the front, the choice and another in q8.
  expect(marks(svg)).toBe(3 + 2 + 1 + 1);
  expect(svg).toContain("at most 2.0 MB; 4 candidates (1 are far above); 1,270 tokens of tales.txt; not healed");
  expect(svg.match(/stroke-linejoin="round"/g)).toHaveLength(1);
});

it("hides the choice behind nothing, on the front or not", () => {
  // The front alone, with its legend, and the choice with its own.
  const svg = frontPicture({ ...search, tried: search.tried.slice(1, 3), chosen: 1 });
  expect(marks(svg)).toBe(2 + 1 + 1);
});

it("names every budget", () => {
  expect(frontPicture({ ...search, budget: { kind: "speed", ratio: 1.5 } })).toContain("at least 1.5 times the speed");
  expect(frontPicture({ ...search, budget: { kind: "params", share: 0.75 } })).toContain("at most 0.75 of the param");
});

it("is written as a picture in two forms and as data", async () => {
  const files = await frontFiles(search);
  expect(Object.keys(files)).toEqual(["front.svg", "front.png", "front.json"]);
  expect(JSON.parse(files["front.json"] as string)).toEqual(search);
});
