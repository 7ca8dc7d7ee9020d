/** Results of tasks as tests of reports need them. */
import type { TaskResult } from "../measure/tasks/evaluate.ts";

export function taskResult(title: string, value: number, other: Partial<TaskResult> = {}): TaskResult {
  const figure = { value, standardError: 0.02 };
  return {
    task: title.toLowerCase(),
    title,
    data: { name: "x.jsonl", sha256: "0".repeat(64) },
    items: 200,
    limit: 200,
    metrics: { acc: figure },
    score: figure,
    chance: 0.25,
    right: Array.from({ length: 200 }, (_, i) => (i < Math.round(200 * value) ? "1" : "0")).join(""),
    groups: [],
    truncated: 0,
    fromCache: 0,
    seconds: 1,
    ...other,
  };
}

/** With its perplexity. */
export function lambada(value: number, perplexity: number): TaskResult {
  const acc = { value, standardError: 0.03 };
  const metrics = { perplexity: { value: perplexity, standardError: perplexity / 10 }, acc };
  return taskResult("LAMBADA", value, { metrics, score: acc, chance: 0 });
}
