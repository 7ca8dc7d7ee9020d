/** Tasks on a model: score, count. Each task has a session of its own, as long as its longest item needs. */
import { join } from "node:path";
import { cacheFolder } from "../../cache-folder.ts";
import { refuseEncoder } from "../../model/session.ts";
import type { PlayableModel } from "../../playable-model.ts";
import type { OnProgress } from "../../progress.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import { type EncodedRequest, encodeItem } from "./encode.ts";
import type { Item } from "./item.ts";
import { answers, chance, type Figure, figure, meanOfFigures, pairedDifference, type ScoredItem } from "./metrics.ts";
import type { OpenTask } from "./open-tasks.ts";
import { scoreRequests, tokensNeeded } from "./score.ts";
import { ScoreStore, scoreFileName } from "./score-store.ts";
import type { Metric } from "./tasks.ts";

export interface TaskResult {
  readonly task: string;
  readonly title: string;
  readonly data: { readonly name: string; readonly sha256: string };
  readonly items: number;
  /** As asked for; undefined for the whole file. */
  readonly limit: number | undefined;
  readonly metrics: Readonly<Partial<Record<Metric, Figure>>>;
  /** The share that the task counts with: acc_norm where it has one, else acc. */
  readonly score: Figure;
  /** What guessing gives. */
  readonly chance: number;
  /** "1" or "0" for each item, in the order of the file: whether it counts as right in `score`. */
  readonly right: string;
  /** Accuracy of each part, e.g. subject. */
  readonly groups: readonly ({ readonly name: string; readonly items: number } & Figure)[];
  /** Items that were longer than the model's context, and lost their beginning. */
  readonly truncated: number;
  /** Items that were known already. */
  readonly fromCache: number;
  /** Of scoring. */
  readonly seconds: number;
}

export interface EvaluateOptions {
  /** Items of each task, or of each of its groups; without it, all. */
  readonly limit?: number | undefined;
  readonly store?: ScoreStore | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** Sees every item with its scores, in the order of the file. */
  readonly onItem?: ((scored: ScoredItem) => void) | undefined;
}

interface Encoded {
  readonly item: Item;
  readonly requests: readonly EncodedRequest[];
}

/** The results of each task. Items that this model as it is played has answered before are not scored again. Error: `encoder`. */
export async function evaluateTasks(
  model: PlayableModel,
  tasks: readonly OpenTask[],
  options: Omit<EvaluateOptions, "store"> = {},
): Promise<TaskResult[]> {
  if (model.config.bidirectional) throw refuseEncoder(model.name);
  const store = await ScoreStore.open(join(cacheFolder(), scoreFileName(model)));
  try {
    const results: TaskResult[] = [];
    for (const task of tasks) results.push(await evaluateTask(model, task, { ...options, store }));
    return results;
  } finally {
    await store.close();
  }
}

/** Errors: `task-item`, `tokenizer-missing`. */
export async function evaluateTask(
  model: PlayableModel,
  { task, data, items }: OpenTask,
  { limit, store, signal, onProgress, onItem }: EvaluateOptions = {},
): Promise<TaskResult> {
  const encoded = encode(model.needTokenizer(), items, limit);
  const longest = encoded.reduce((most, { requests }) => Math.max(most, tokensNeeded(requests)), 1);
  const context = Math.min(longest, model.config.contextLength);
  const session = model.session({ output: "loss", contextLength: context });
  const scored: ScoredItem[] = [];
  let fromCache = 0;
  const started = performance.now();
  try {
    for (const { item, requests } of encoded) {
      const known = store?.get(requests);
      if (known) fromCache++;
      const scores = known ?? (await scoreRequests(session, requests, signal));
      if (!known) await store?.add(requests, scores);
      scored.push({ item, scores });
      onItem?.({ item, scores });
      onProgress?.({ label: task.name, done: scored.length, total: encoded.length, unit: "items" });
    }
  } finally {
    session.dispose();
  }
  const counted = task.metrics.at(-1) as "acc" | "acc_norm";
  const metrics = Object.fromEntries(task.metrics.map((metric) => [metric, figure(metric, scored)]));
  return {
    task: task.name,
    title: task.title,
    data,
    items: scored.length,
    limit,
    metrics,
    score: metrics[counted]!,
    chance: chance(scored),
    right: answers(counted, scored),
    groups: groupsOf(scored),
    truncated: encoded.filter(({ requests }) => tokensNeeded(requests) > context).length,
    fromCache,
    seconds: (performance.now() - started) / 1000,
  };
}

/** The first items, of each group as many. */
function encode(tokenizer: Tokenizer, items: OpenTask["items"], limit = Number.POSITIVE_INFINITY): Encoded[] {
  const taken = new Map<string | undefined, number>();
  return items.flatMap(({ item, place }) => {
    const before = taken.get(item.group) ?? 0;
    taken.set(item.group, before + 1);
    return before < limit ? [{ item, requests: encodeItem(tokenizer, item, place) }] : [];
  });
}

function groupsOf(scored: readonly ScoredItem[]): TaskResult["groups"] {
  const groups = new Map<string, ScoredItem[]>();
  for (const one of scored) {
    const { group } = one.item;
    if (group === undefined) continue;
    const items = groups.get(group) ?? [];
    groups.set(group, items);
    items.push(one);
  }
  return [...groups].map(([name, items]) => ({ name, items: items.length, ...figure("acc", items) }));
}

/** The mean over tasks of what each counts with, and of what guessing gives. */
export function taskMean(results: readonly TaskResult[]): Figure & { readonly chance: number } {
  const chance = results.reduce((sum, result) => sum + result.chance, 0) / results.length;
  return { ...meanOfFigures(results.map(({ score }) => score)), chance };
}

/** What each task counts with, and their mean, against those of the first model on the same items. */
export function taskDifferences(
  first: readonly TaskResult[],
  then: readonly TaskResult[],
): { readonly tasks: readonly Figure[]; readonly mean: Figure } {
  const tasks = first.map(({ right }, t) => pairedDifference(right, then[t]!.right));
  return { tasks, mean: meanOfFigures(tasks) };
}
