/** `refrain eval MODEL --generation --text FILE [--teacher MODEL]`: how text holds up that the model makes itself. */
import {
  continuations,
  type Passage,
  passages,
  type Repetition,
  repetition,
  teacherLoss,
} from "../measure/generation.ts";
import type { Figure } from "../measure/tasks/metrics.ts";
import type { Model } from "../refrain.ts";
import { formatCount, formatNumber } from "../report/format.ts";
import { textTable } from "../report/table.ts";
import { formatShare } from "../report/task-table.ts";
import { firstTokens } from "../text/first-tokens.ts";
import type { TextFile } from "../text/read-text.ts";
import type { CommandContext } from "./define.ts";
import { withModel } from "./model.ts";

const PROMPT_TOKENS = 32;

interface Values {
  readonly teacher: string | undefined;
  readonly prompts: number;
  readonly "max-tokens": number;
  readonly temperature: number;
  readonly seed: number;
  readonly weights: string | undefined;
  readonly threads: number | undefined;
}

interface Judged extends Repetition {
  readonly name: string;
  /** Nats a token. */
  readonly teacherLoss: Figure | undefined;
}

export async function evalGeneration(
  model: Model,
  file: TextFile,
  values: Values,
  { output, signal, onProgress }: CommandContext,
): Promise<void> {
  const { prompts, "max-tokens": newTokens, temperature, seed, teacher } = values;
  const tokenizer = model.needTokenizer();
  const wanted = { count: prompts, promptTokens: PROMPT_TOKENS, newTokens };
  const tokens = firstTokens(tokenizer, file.text, prompts * (PROMPT_TOKENS + newTokens));
  const given = passages(tokenizer, tokens, wanted);
  const made = await continuations(model, given, { temperature, seed }, { signal, onProgress });
  const sets = [
    { name: "the model", made },
    { name: "the text itself", made: given },
  ];
  const losses = teacher === undefined ? [] : await ask(teacher, values, sets, { signal, onProgress });
  const judged = sets.map(({ name, made }, i): Judged => ({ name, ...repetition(made), teacherLoss: losses[i] }));
  output.result(
    {
      model: model.name,
      schedule: model.schedule,
      weights: values.weights ?? "file",
      text: { name: file.name, sha256: file.sha256 },
      teacher: teacher ?? null,
      prompts: given.length,
      promptTokens: PROMPT_TOKENS,
      newTokens,
      temperature,
      seed: temperature === 0 ? null : seed,
      judged,
      continuations: made.map(({ prompt, continuation }) => ({ prompt, continuation })),
    },
    [
      table(judged),
      `${formatCount(given.length)} prompts of ${PROMPT_TOKENS} tokens of ${file.name}, ${formatCount(newTokens)} tokens more, ${temperature === 0 ? "always the likeliest" : `temperature ${temperature}, seed ${seed}`}; ${model.name}, schedule ${model.schedule}`,
      "rep-4: four tokens in a row that have stood in the same continuation before. ± is one standard error over prompts.",
      ...(teacher === undefined
        ? []
        : [`Teacher: ${teacher}. Repetition is easy to predict: read its figure beside rep-4.`]),
    ].join("\n"),
  );
}

/** The teacher is loaded when the texts are there. */
function ask(
  name: string,
  { threads }: Values,
  sets: readonly { readonly made: readonly Passage[] }[],
  context: Pick<CommandContext, "signal" | "onProgress">,
): Promise<Figure[]> {
  const options = { threads, schedule: undefined, weights: undefined, context: undefined };
  return withModel(name, options, context, async (teacher) => {
    const session = teacher.session({ output: "loss" });
    try {
      const losses: Figure[] = [];
      for (const { made } of sets) losses.push(await teacherLoss(session, teacher.needTokenizer(), made, context));
      return losses;
    } finally {
      session.dispose();
    }
  });
}

function table(judged: readonly Judged[]): string {
  const withTeacher = judged.some(({ teacherLoss }) => teacherLoss);
  return textTable(
    [
      { title: "continued by", align: "left" },
      { title: "rep-4" },
      ...[1, 2, 3, 4].map((n) => ({ title: `distinct-${n}` })),
      ...(withTeacher ? [{ title: "teacher's perplexity" }] : []),
    ],
    judged.map(({ name, repeated, distinct, teacherLoss }) => [
      name,
      formatShare(repeated),
      ...distinct.map((share) => share.toFixed(3)),
      ...(teacherLoss ? [formatNumber(Math.exp(teacherLoss.value), 3)] : []),
    ]),
  );
}
