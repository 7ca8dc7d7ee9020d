/**
 * The losses of candidates, each measured as the written model will be played: from weights that were F16 on disk. What is known is
 * kept at once, and nothing is made whose losses are all known.
 */
import { nodeHost } from "../engine/wasm/node-host.ts";
import { RefrainError } from "../errors.ts";
import { loadCheckpoint } from "../load-checkpoint.ts";
import { perplexity } from "../measure/perplexity.ts";
import { Model } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import { unquantized } from "../weights/unquantized.ts";
import { type Candidate, keyOf, type Weights, weightTypes } from "./candidates.ts";
import type { Json, MethodContext, Shrunk } from "./method.ts";

export interface Judged {
  /**
   * Mean cross-entropy of the next token; a model that is broken has none that is finite. With other tokens: what the same text
   * costs, for as many tokens as the source has for it.
   */
  readonly loss: number;
  /** What was played. */
  readonly schedule: string;
}

/** By `keyOf`. What this machine cannot hold is left out, and what was trained to weights that no F16 holds. `judge`: whole windows. */
export async function tryCandidates(
  context: Pick<MethodContext, "model" | "journal" | "signal" | "onProgress">,
  all: readonly Candidate[],
  judge: readonly number[],
  window: number,
): Promise<ReadonlyMap<string, Judged>> {
  const { model, journal, signal, onProgress } = context;
  const known = new Map((await journal.read()) as unknown as readonly [string, Judged][] | undefined);
  const open = (candidate: Candidate) => !known.has(keyOf(candidate));
  const edited = all.filter(({ make }) => make);
  const inTokensOf = (played: Model): readonly number[] =>
    played.config.vocabSize === model.config.vocabSize
      ? judge
      : played.needTokenizer().encode(model.needTokenizer().decode(judge), { special: false });

  for (const weights of weightTypes) {
    const plain = all.filter((one) => !one.make && one.weights === weights && open(one));
    if (plain.length > 0) await judgeAll(plain, weights, model);
  }
  // All types of one edit before the next: when a search is stopped, no more than one was made in vain.
  const first = ({ way, count }: Candidate) => edited.findIndex((one) => one.way === way && one.count === count);
  for (const candidate of [...edited].sort((a, b) => first(a) - first(b)).filter(open)) {
    await judgeAll([candidate], candidate.weights, await candidate.make!());
  }
  return known;

  /** Candidates that play some of one model's weights. */
  async function judgeAll(some: readonly Candidate[], weights: Weights, made: Pick<Shrunk, "steps" | "edit">) {
    const loaded = await asWritten(model, weights, made, { window, signal });
    try {
      for (const candidate of loaded ? some : []) {
        const played = loaded!.withSchedule(candidate.make ? loaded!.schedule : candidate.schedule);
        const { schedule } = played;
        const tokens = inTokensOf(played);
        const mean = await lossOf(played, tokens, window, signal).finally(() => played.dispose());
        const loss = (mean * tokens.length) / judge.length;
        known.set(keyOf(candidate), { loss, schedule });
        await journal.write([...known] as unknown as Json);
        const { way, count } = candidate;
        const detail = `${way}${count > 0 ? ` (${count})` : ""}, ${weights}`;
        onProgress?.({ label: "trying", done: known.size, total: all.length, unit: "measurements", detail });
      }
    } finally {
      await loaded?.dispose();
    }
  }
}

async function lossOf(model: Model, judge: readonly number[], window: number, signal: AbortSignal | undefined) {
  const session = model.session({ output: "loss" });
  try {
    return (await perplexity(session, judge, { window, stride: window, signal })).meanLoss;
  } finally {
    session.dispose();
  }
}

/** A model with the weights that it will have once it is written and opened with --weights. */
async function asWritten(
  model: Model,
  weights: Weights,
  { steps, edit }: Pick<Shrunk, "steps" | "edit">,
  { window, signal }: { readonly window: number; readonly signal: AbortSignal | undefined },
): Promise<Model | undefined> {
  const { threads } = model.memory.player;
  const options = { schedule: printSteps(steps), weights, contextLength: window, threads, signal };
  const source = await model.open();
  try {
    const changed = unquantized(edit ? edit(source) : source);
    const opened = await loadCheckpoint(changed, nodeHost, model.name, options);
    return new Model(opened.loaded, opened.steps);
  } catch (error) {
    const isCode = (code: string) => RefrainError.is(error) && error.code === code;
    if ((isCode("too-large") && weights !== "q4") || (isCode("f16-range") && edit)) return undefined;
    throw error;
  }
}
