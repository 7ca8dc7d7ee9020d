/** Commands that need no model, to test the frame; as a program, the frame around them in a process of its own. */
import { pathToFileURL } from "node:url";
import { failure, inputError } from "../errors.ts";
import { runCli } from "./cli.ts";
import type { CommandEntry } from "./commands.ts";
import { defineRefrainCommand } from "./define.ts";
import { argument, integer, modelOptions, optionalArgument, withDefault } from "./options.ts";

const echo = defineRefrainCommand({
  options: {
    model: argument({ description: "a model" }),
    prompt: optionalArgument({ description: "some text" }),
    ...modelOptions,
    "max-tokens": withDefault(
      integer({ hint: "N", alias: "n", min: 1, max: 100, description: "at most so many tokens" }),
      7,
    ),
  },
  run: async ({ model, prompt, "max-tokens": maxTokens, threads, weights }, { output, onProgress }) => {
    onProgress({ label: "echoing", done: 1, total: 1, unit: "tokens" });
    output.note(`echoing ${model}`);
    output.write("streamed ");
    // Types flow from the options: this would not compile if threads were a string.
    output.result({ model, prompt, maxTokens, threads: threads?.toFixed(0), weights }, `${model} ${maxTokens}`);
  },
});

const fail = defineRefrainCommand({
  options: { how: argument({ description: "input, failure or bug" }) },
  run: async ({ how }) => {
    if (how === "input") throw inputError("dummy", "the input is\u001b[31m bad", "Mend it.");
    if (how === "failure") throw failure("dummy", "it failed", undefined, new Error("the disk"));
    throw new TypeError("x is not a function");
  },
});

/** Works until it is aborted: politely, cleanly (with an end of its own), or never looking at the signal. */
const work = defineRefrainCommand({
  options: { how: argument({ description: "polite, clean or deaf" }) },
  run: async ({ how }, { output, signal }) => {
    output.note("working");
    for (let i = 0; i < 1000; i++) {
      output.write(`line ${i}\n`);
      await new Promise((resume) => setTimeout(resume, 10));
      if (how === "polite") signal.throwIfAborted();
      if (how === "clean" && signal.aborted) return output.result({ lines: i }, "the end");
    }
  },
});

const mute = defineRefrainCommand({ options: {}, run: async () => {} });

export const dummies: readonly CommandEntry[] = Object.entries({ echo, fail, work, mute }).map(([name, command]) => ({
  name,
  summary: `a dummy that can ${name}`,
  example: `refrain ${name} X`,
  load: async () => command,
}));

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const code = await runCli(process.argv.slice(2), dummies, process);
  process.exit(code);
}
