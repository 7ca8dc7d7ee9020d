/** `refrain chat`: a conversation in the terminal, or over a pipe with one message a line. */
import { RefrainError } from "../errors.ts";
import { type AnswerStats, Conversation } from "../generate/conversation.ts";
import type { GenerateOptions } from "../generate/generate.ts";
import { type CommandContext, defineRefrainCommand } from "./define.ts";
import type { Lines } from "./input.ts";
import { throwIfUnwritable } from "./interrupt.ts";
import { withModel } from "./model.ts";
import { argument, integer, modelOptions, text } from "./options.ts";
import type { Output } from "./output.ts";
import { rates, sampling, samplingOptions } from "./sampling-options.ts";

export const command = defineRefrainCommand({
  options: {
    model: argument({ description: "a model with a chat template: a folder, a .gguf file, or hf:org/name[/file]" }),
    system: text({ hint: "TEXT", description: "how the model is to behave (default: what its template says)" }),
    "max-tokens": integer({
      hint: "N",
      alias: "n",
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
      description: "make at most N tokens an answer (default: until the model ends it)",
    }),
    ...samplingOptions,
    ...modelOptions,
  },
  run: async (values, context) => {
    await withModel(values.model, values, context, async (model) => {
      const session = model.session();
      try {
        const conversation = new Conversation(session, model.needTokenizer(), values.system);
        const maxTokens = values["max-tokens"];
        const { onProgress } = context;
        const options = { ...sampling(values), onProgress, ...(maxTokens === undefined ? {} : { maxTokens }) };
        context.output.note(`${model.engine}; /reset starts anew, Ctrl-C stops an answer, /exit or Ctrl-D leaves`);
        const turns = await converse(conversation, options, session.contextLength, context);
        context.output.document({
          model: model.path,
          schedule: model.schedule,
          engine: model.engine,
          system: values.system ?? null,
          seed: options.temperature === 0 ? null : options.seed,
          turns,
        });
      } finally {
        session.dispose();
      }
    });
  },
});

/** Asks and answers until the lines end; what was said, with figures. */
async function converse(
  conversation: Conversation,
  options: GenerateOptions,
  contextLength: number,
  { output, input, signal }: CommandContext,
): Promise<unknown[]> {
  const turns: unknown[] = [];
  const note = (text: string) => output.note(`(${text})`);
  const lines = input.lines(signal);
  try {
    for (let line = await lines.next(); line !== undefined && !signal.aborted; line = await lines.next()) {
      const user = line.trim();
      if (user === "/exit") break;
      if (user === "/reset") {
        conversation.reset();
        note("a new conversation");
      } else if (/^\/[a-z]+$/.test(user)) {
        note(`there is no ${user}; there are /reset and /exit`);
      } else if (user !== "") {
        try {
          const { assistant, stats } = await answer(conversation, user, options, lines, output, signal);
          remark(stats, contextLength, note);
          turns.push({ user, assistant, ...figures(stats) });
        } catch (error) {
          // A person writes a shorter one; a script is told by the exit code.
          if (!lines.isTerminal || !RefrainError.is(error) || error.code !== "prompt-too-long") throw error;
          note(error.message);
        }
      }
    }
  } finally {
    lines.close();
  }
  return turns;
}

/** Writes the answer as it comes, until it ends or is interrupted. */
async function answer(
  conversation: Conversation,
  message: string,
  options: GenerateOptions,
  lines: Lines,
  output: Output,
  signal: AbortSignal,
): Promise<{ assistant: string; stats: AnswerStats }> {
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener("abort", onAbort);
  lines.onInterrupt = onAbort;
  let stats: AnswerStats | undefined;
  let assistant = "";
  try {
    for await (const piece of conversation.answer(message, { ...options, signal: stop.signal }, (s) => (stats = s))) {
      assistant += piece;
      output.write(piece);
    }
  } finally {
    lines.onInterrupt = undefined;
    signal.removeEventListener("abort", onAbort);
    output.endLine();
  }
  throwIfUnwritable(signal);
  return { assistant, stats: stats! };
}

/** What a person would otherwise wonder about. */
function remark(stats: AnswerStats, contextLength: number, note: (text: string) => void): void {
  const { droppedTurns, finish } = stats;
  const context = `the context of ${contextLength} tokens`;
  if (droppedTurns > 0) {
    note(`${context} was full: the oldest ${droppedTurns === 1 ? "turn is" : `${droppedTurns} turns are`} forgotten`);
  }
  if (finish === "context") note(`${context} is full, so the answer ends here`);
  if (finish === "max-tokens") note("stopped by --max-tokens");
  if (finish === "aborted") note("stopped");
}

function figures(stats: AnswerStats) {
  const { finish, promptTokens, reusedTokens, generatedTokens, droppedTurns } = stats;
  const tokens = { prompt: promptTokens, reused: reusedTokens, generated: generatedTokens };
  return { finish, tokens, droppedTurns, rates: rates(stats) };
}
