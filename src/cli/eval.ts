/** `refrain eval`: how good a model is, by the perplexity of a text (an encoder: pseudo-perplexity), by zero-shot tasks, or by what it writes. */
import { inputError } from "../errors.ts";
import { openTasks } from "../measure/tasks/open-tasks.ts";
import { readText } from "../text/read-text.ts";
import { defineRefrainCommand } from "./define.ts";
import { evalEncoder } from "./eval-encoder.ts";
import { evalGeneration } from "./eval-generation.ts";
import { evalTasks } from "./eval-tasks.ts";
import { evalText } from "./eval-text.ts";
import { withModel } from "./model.ts";
import { argument, flag, integer, modelOptions, number, text, type ValuesOf, withDefault } from "./options.ts";
import { refuseWithoutTasks, taskOptions } from "./task-options.ts";
import { needText, perplexityOptions, textOption, tokensOption } from "./text-options.ts";

const options = {
  model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
  text: textOption,
  ...perplexityOptions,
  tokens: tokensOption,
  ...taskOptions,
  generation: flag({ description: "judge what the model writes after prompts of the text" }),
  teacher: text({ hint: "MODEL", description: "with --generation: a better model, to say how likely the text is" }),
  prompts: withDefault(integer({ hint: "N", min: 1, max: 100_000, description: "with --generation: prompts" }), 16),
  "max-tokens": withDefault(
    integer({ hint: "N", alias: "n", min: 4, max: 4096, description: "with --generation: tokens after each prompt" }),
    64,
  ),
  temperature: withDefault(
    number({ hint: "T", min: 0, max: 100, description: "with --generation: how boldly; 0 takes the likeliest token" }),
    0,
  ),
  seed: withDefault(
    integer({ hint: "N", min: 0, max: Number.MAX_SAFE_INTEGER, description: "with --temperature: of its choices" }),
    0,
  ),
  schedule: modelOptions.schedule,
  adapter: modelOptions.adapter,
  weights: modelOptions.weights,
  cache: modelOptions.cache,
  threads: modelOptions.threads,
} as const;

export const command = defineRefrainCommand({
  options,
  run: async (values, context) => {
    checkMode(values);
    const tasks = values.tasks && (await openTasks(values.tasks, values.data, context));
    const file = tasks ? undefined : await readText(needText(values.text, "eval"));
    await withModel(values.model, { ...values, context: undefined }, context, (model) => {
      if (tasks) return evalTasks(model, tasks, values, context);
      if (values.generation) return evalGeneration(model, file!, values, context);
      return (model.config.bidirectional ? evalEncoder : evalText)(model, file!, values, context);
    });
  },
});

/** One measure at a time, and no option that would be passed over. */
function checkMode(values: ValuesOf<typeof options>): void {
  const { tasks, text, generation, teacher } = values;
  if (tasks && (text !== undefined || generation)) {
    throw inputError(
      "option-conflict",
      `refrain eval: expected one of --tasks and ${generation ? "--generation" : "--text"}, got both`,
      "Run eval once for each.",
    );
  }
  if (!tasks) refuseWithoutTasks("eval", values);
  if (teacher !== undefined && !generation) {
    throw inputError("option-conflict", "refrain eval: --teacher goes with --generation", "Add --generation.");
  }
}
