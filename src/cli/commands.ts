/** The commands, in the order of the help. A command's file is loaded only when it is called. */
import type { Command } from "./define.ts";

export interface CommandEntry {
  readonly name: string;
  /** One line for the help. */
  readonly summary: string;
  /** A command line that works. */
  readonly example: string;
  readonly load: () => Promise<Command>;
}

/** A small model that the examples can fetch. */
const model = "hf:HuggingFaceTB/SmolLM2-135M-Instruct";

export const commands: readonly CommandEntry[] = [
  {
    name: "run",
    summary: "continue a prompt; with --chat, answer it",
    example: `refrain run ${model} "Once upon a time" --max-tokens 64`,
    load: async () => (await import("./run.ts")).command,
  },
  {
    name: "chat",
    summary: "talk with a model; over a pipe, one message a line",
    example: `refrain chat ${model} --system "You answer in one sentence."`,
    load: async () => (await import("./chat.ts")).command,
  },
  {
    name: "inspect",
    summary: "parameters, bytes and FLOPs of a model, from its header alone",
    example: `refrain inspect ${model} --schedule "each(0-14)x2"`,
    load: async () => (await import("./inspect.ts")).command,
  },
  {
    name: "device",
    summary: "how fast memory, caches and kernels are here, for predictions",
    example: "refrain device -o device",
    load: async () => (await import("./device.ts")).command,
  },
  {
    name: "measure",
    summary: "how much every step changes the hidden state, as a table and a heat map",
    example: "refrain measure MODEL --text FILE",
    load: async () => (await import("./measure.ts")).command,
  },
  {
    name: "shrink",
    summary: "write a smaller model: drop, share or repeat layers",
    example: "refrain shrink MODEL --drop 6 --by angular -o OUT",
    load: async () => (await import("./shrink.ts")).command,
  },
  {
    name: "export",
    summary: "write a model as one GGUF file with its tokenizer",
    example: "refrain export MODEL -o FILE.gguf --weights q8",
    load: async () => (await import("./export.ts")).command,
  },
  {
    name: "train",
    summary: "train a model from a text and a training file, with log, curve and report",
    example: "refrain train CONFIG.json -o OUT",
    load: async () => (await import("./train.ts")).command,
  },
  {
    name: "heal",
    summary: "make up for dropped layers: an adapter or some weights learn on a text",
    example: 'refrain heal MODEL --schedule "0-20 27-29" --teacher "0-29" --text FILE -o OUT',
    load: async () => (await import("./heal.ts")).command,
  },
  {
    name: "distill",
    summary: "train a small model to predict as a large one does",
    example: "refrain distill --teacher A --student B --text FILE -o OUT",
    load: async () => (await import("./distill.ts")).command,
  },
  {
    name: "eval",
    summary: "perplexity on a text, zero-shot tasks, or what a model writes",
    example: "refrain eval MODEL --tasks arc_easy,piqa --limit 200",
    load: async () => (await import("./eval.ts")).command,
  },
  {
    name: "compare",
    summary: "size, perplexity and speed of several models in one table",
    example: "refrain compare A B --text FILE",
    load: async () => (await import("./compare.ts")).command,
  },
  {
    name: "reproduce",
    summary: "a paper's claim as an experiment at our scale; without a name, a list",
    example: "refrain reproduce takase-kiyono --quick --text FILE",
    load: async () => (await import("./reproduce.ts")).command,
  },
  {
    name: "demo",
    summary: "measure, shrink and compare a real model, with a report",
    example: "refrain demo --model MODEL --text FILE",
    load: async () => (await import("./demo.ts")).command,
  },
];
