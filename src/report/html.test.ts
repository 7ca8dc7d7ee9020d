import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { identitySteps } from "../schedule/schedule.ts";
import { type ReportData, renderReport, type VariantRow } from "./html.ts";
import { lambada, taskResult } from "./task-results.testing.ts";

const before: VariantRow = {
  name: "before",
  schedule: "0-3",
  steps: identitySteps(4),
  uniqueParameters: 4_000_000,
  effectiveParameters: 4_000_000,
  bytes: 8_000_000,
  kvBytesPerToken: 1024,
  perplexity: 20,
  tasks: [],
  tokensPerSecond: 50,
  sample: " there was a girl.",
};
const after: VariantRow = {
  ...before,
  name: "after",
  schedule: "0 3",
  dropped: [1, 2],
  uniqueParameters: 2_000_000,
  bytes: 4_000_000,
  perplexity: 25,
  tokensPerSecond: 90,
  sample: " there was.",
};
const report: ReportData = {
  title: "A model, made smaller",
  model: "a-model",
  date: "1 May 2026",
  machine: "2 cores",
  engine: "wasm, 2 threads",
  text: { name: "test.txt", tokens: 1234 },
  similarity: {
    text: "train.txt",
    measured: {
      steps: 4,
      tokens: 100,
      windows: 2,
      influence: [0.5, 0.1, 0.1, 0.3],
      cosine: [0.5, 0.9, 0.9, 0.7],
      angular: [[0.4, 0.1, 0.1, 0.3], [0.4, 0.15, 0.3], [0.4, 0.4], [0.5]],
    },
  },
  variants: [before, after],
  prompt: "Once upon a time",
  commands: ["refrain measure a-model", "refrain shrink a-model --drop 2"],
  notes: ["Not healed."],
};

describe("a report", () => {
  const html = renderReport(report);

  it("says in one sentence what was done and what it cost", () => {
    const lead = /<p class="lead">(.*?)<\/p>/s.exec(html)![1]!.replace(/<[^>]+>/g, "");
    expect(lead).toBe(
      "a-model went from 4 layers from 4 blocks to 2 layers from 2 blocks: 0.50× the size at 1.25× the perplexity and 1.80× the speed.",
    );
  });

  it("has every figure, with its ratio to the first variant", () => {
    const size = /<tr><th scope="row">Size.*?<\/tr>/s.exec(html)![0];
    expect(size).toContain("<td>8.0 MB</td>");
    expect(size).toContain("<td>4.0 MB <small>0.50×</small></td>");
    expect(html.match(/<th scope="row">/g)).toHaveLength(6);
    expect(html).toContain("Perplexity on test.txt, 1,234 tokens.");
  });

  it("has a section for tasks where there are any: the shares with their errors, and a picture", () => {
    expect(html).not.toContain("What it still gets right");
    const with2 = (variant: VariantRow, share: number) => ({
      ...variant,
      tasks: [taskResult("PIQA", share), lambada(share / 2, 40)],
    });
    const judged = renderReport({ ...report, variants: [with2(before, 0.66), with2(after, 0.6)] });
    expect(judged).toContain("What it still gets right");
    expect(judged).toMatch(/PIQA <small>acc, 200 items<\/small><\/th><td>66.0 ± 2.0 %<\/td><td>60.0 ± 2.0 %<\/td>/);
    expect(judged).toMatch(/Mean <small><\/small><\/th><td>49.5 ± 1.8 %<\/td>/);
    expect(judged).toMatch(/LAMBADA <small>perplexity<\/small><\/th><td>40.00 ± 4.0<\/td>/);
    expect(judged.match(/<svg /g)).toHaveLength(4);
  });

  it("has the pictures, what both say, the commands and the conditions", () => {
    expect(html.match(/<svg /g)).toHaveLength(3);
    expect(html).toContain("drop layers 1–2 (2 of 4): 0.150");
    expect(html).toContain("train.txt, 100 tokens in 2 windows");
    for (const expected of [
      "Once upon a time",
      " there was a girl.",
      " there was.",
      "refrain measure a-model\nrefrain shrink a-model --drop 2",
      "1 May 2026",
      "2 cores",
      "wasm, 2 threads",
      "<li>Not healed.</li>",
    ]) {
      expect(html).toContain(expected);
    }
  });

  it("needs no similarity, no notes and no second variant", () => {
    const { similarity: _, ...rest } = report;
    const small = renderReport({ ...rest, variants: [before], notes: [] });
    expect(small).toContain("a-model plays 4 layers from 4 blocks.");
    expect(small.match(/<svg /g)).toHaveLength(1);
    expect(small).not.toContain("<ul>");
    expect(small).not.toContain("×</small>");
  });

  it("loads nothing and runs nothing, and forbids both", () => {
    expect(html).toContain("default-src 'none'");
    expect(html.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(
      /https?:|\b(src|href)=|url\((?!#hatch\))|@import|<script/,
    );
  });
});

it("no string breaks out: the tags of a report are the same whatever is written in it", () => {
  const tags = (html: string) => html.match(/<[a-z/!][^\s>]*/gi)!.filter((tag) => tag !== "<text");
  const write = (hostile: string) => {
    const name = (variant: VariantRow) => ({ ...variant, name: hostile, schedule: hostile, sample: hostile });
    return renderReport({
      ...report,
      title: hostile,
      model: hostile,
      date: hostile,
      machine: hostile,
      engine: hostile,
      text: { name: hostile, tokens: 1 },
      similarity: { ...report.similarity!, text: hostile },
      variants: report.variants.map(name),
      prompt: hostile,
      commands: [hostile],
      notes: [hostile],
    });
  };
  const plain = tags(write("x"));
  expect(tags(write(`</style></title><script>alert(1)</script><!--"'><img src=x onerror=1>`))).toEqual(plain);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (hostile) => {
      expect(tags(write(hostile))).toEqual(plain);
    }),
    { numRuns: 50 },
  );
});
