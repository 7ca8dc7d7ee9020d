/** `refrain run`: continues a prompt, or answers it in the model's chat template, and streams the text. */
import { describePlan } from "../engine/plan.ts";
import { inputError } from "../errors.ts";
import { type GenerateStats, generate } from "../generate/generate.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { defineRefrainCommand } from "./define.ts";
import type { Input } from "./input.ts";
import { throwIfUnwritable } from "./interrupt.ts";
import { withModel } from "./model.ts";
import { argument, flag, integer, modelOptions, optionalArgument, withDefault } from "./options.ts";
import type { Output } from "./output.ts";
import { rates, ratesInWords, sampling, samplingOptions } from "./sampling-options.ts";

export const command = defineRefrainCommand({
  options: {
    model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
    prompt: optionalArgument({
      description: 'the beginning of the text, "" to let the model begin; without it, standard input is read',
    }),
    "max-tokens": withDefault(
      integer({ hint: "N", alias: "n", min: 1, max: Number.MAX_SAFE_INTEGER, description: "make at most N tokens" }),
      256,
    ),
    chat: flag({
      description: "put the prompt to the model as a question, in its chat template (without it, it is plain text)",
    }),
    ...samplingOptions,
    ...modelOptions,
    plan: flag({ description: "print the plan of the memory first, on standard error" }),
  },
  run: async (values, { output, input, signal, onProgress }) => {
    const prompt = values.prompt ?? (await pipedPrompt(input, output, signal));
    await withModel(values.model, values, { signal, onProgress }, async (model) => {
      const tokenizer = model.needTokenizer();
      const tokens = promptTokens(tokenizer, prompt, values.chat);
      const session = model.session();
      try {
        if (values.plan) output.aside(describePlan(session.plan));
        const options = { ...sampling(values), maxTokens: values["max-tokens"], signal, onProgress };
        let stats: GenerateStats | undefined;
        let text = "";
        for await (const piece of generate(session, tokenizer, tokens, options, (s) => (stats = s))) {
          if (text === "" && !values.chat) output.echo(prompt);
          text += piece;
          output.write(piece);
        }
        throwIfUnwritable(signal);
        output.endLine();
        const { finish, promptTokens: read, generatedTokens: generated } = stats!;
        const seed = options.temperature === 0 ? null : options.seed;
        const why = finishInWords[finish](session.contextLength);
        output.note([ratesInWords(stats!), why, model.engine, ...(seed === null ? [] : [`seed ${seed}`])].join("; "));
        output.document({
          model: model.path,
          schedule: model.schedule,
          engine: model.engine,
          prompt,
          text,
          tokens: { prompt: read, generated },
          finish,
          rates: rates(stats!),
          seed,
        });
      } finally {
        session.dispose();
      }
    });
  },
});

const finishInWords: Readonly<Record<GenerateStats["finish"], (context: number) => string>> = {
  "stop-token": () => "the model ended its text",
  "stop-text": () => "stopped by --stop",
  "max-tokens": () => "stopped by --max-tokens",
  context: (tokens) => `the context of ${tokens} tokens is full`,
  aborted: () => "interrupted",
};

function promptTokens(tokenizer: Tokenizer, prompt: string, chat: boolean): number[] {
  if (!chat) return tokenizer.encode(prompt);
  return tokenizer.encode(tokenizer.chat([{ role: "user", content: prompt }]), { special: false });
}

/** What is piped in, without the line break at its end that `echo` and editors put there. */
async function pipedPrompt(input: Input, output: Output, signal: AbortSignal): Promise<string> {
  const help = 'Write it behind the model: refrain run MODEL "Once upon a time". With "" the model begins by itself.';
  if (input.isTerminal) throw inputError("prompt-missing", "refrain run: PROMPT is missing", help);
  const patience = setTimeout(() => output.note("reading the prompt from standard input"), 2000);
  const text = await input.readAll(signal).finally(() => clearTimeout(patience));
  if (text.trim() === "") throw inputError("empty-prompt", "refrain run: the prompt on standard input is empty", help);
  return text.replace(/\r?\n$/, "");
}
