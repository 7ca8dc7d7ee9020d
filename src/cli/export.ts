/** `refrain export`: writes a model as one GGUF file, opens it again and plays it before it says so. */
import { inputError } from "../errors.ts";
import { type Exported, requireReplaceable } from "../model/export-gguf.ts";
import { formatBytes, formatNumber } from "../report/format.ts";
import { describe } from "../schedule/describe.ts";
import { type Verification, verifyExported } from "../shrink/verify.ts";
import { defineRefrainCommand } from "./define.ts";
import { withModel } from "./model.ts";
import { argument, choice, flag, modelOptions, text } from "./options.ts";
import { quoted } from "./quoted.ts";

const options = {
  model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
  out: text({ hint: "FILE", alias: "o", description: "the file to write, e.g. story.gguf" }),
  weights: choice(["q8", "q4", "f16", "f32"], {
    description: "write matrices as Q8_0, Q4_0, F16 or F32 (default: as the model has them)",
  }),
  unrolled: flag({
    description: "write every played block out, so that tools without schedules play the same model",
  }),
  schedule: text({ hint: "SCHEDULE", description: 'write this schedule, e.g. "each(0-14)x2"' }),
  overwrite: flag({ description: "replace FILE, if it is a GGUF file" }),
  threads: modelOptions.threads,
} as const;

export const command = defineRefrainCommand({
  options,
  run: async (values, { output, signal, onProgress }) => {
    const { out, weights, unrolled, overwrite, threads } = values;
    if (out === undefined) {
      throw inputError("option-missing", "refrain export: -o FILE is missing", "Name a new file, e.g. -o story.gguf.");
    }
    await withModel(values.model, { ...values, context: undefined }, { signal, onProgress }, async (model) => {
      await requireReplaceable(out, model.path, overwrite);
      const source = await model.unrelaxed({ signal, onProgress });
      try {
        const written = await source.export(out, { weights, unrolled, overwrite, signal, onProgress });
        const verification = await verifyExported(source, out, { weights, threads, signal, onProgress });
        output.result(
          { out, plays: model.schedule, unrolled, ...written, verification },
          [
            `${out} plays "${model.schedule}" of ${values.model}${unrolled ? ", unrolled" : ""}. ${describe(model.steps, model.config.blocks)}`,
            sizes(written),
            ...notes(written),
            ...(source === model ? [] : ["Its shared blocks differed by step: each step has a block of its own now."]),
            checked(verification),
            `Next: refrain run ${quoted(out)} "Once upon a time"`,
          ].join("\n\n"),
        );
      } finally {
        if (source !== model) await source.dispose();
      }
    });
  },
});

function sizes({ bytes, headerBytes, types, tokenizer }: Exported): string {
  const weights = Object.entries(types).map(([type, size]) => `${formatBytes(size)} of ${type}`);
  const names = tokenizer === undefined ? "names" : "names and the tokenizer";
  return `${formatBytes(bytes)}: ${weights.join(", ")}; ${formatBytes(headerBytes)} of ${names}.`;
}

function notes({ keptWide, tokenizer, schedule }: Exported): string[] {
  const [first, ...more] = keptWide;
  return [
    ...(first === undefined
      ? []
      : [
          `${first}${more.length === 0 ? " stays" : ` and ${more.length} more matrices stay`} in 16 bits: rows that are no multiple of 32 make no blocks.`,
        ]),
    ...(tokenizer === undefined
      ? ["The model has no tokenizer, so the file has none: it takes and gives tokens."]
      : []),
    ...(schedule === undefined
      ? []
      : [
          "Refrain plays the schedule from the file; llama.cpp would play each block once. --unrolled writes a file for both.",
        ]),
  ];
}

function checked({ difference, tokens }: Omit<Verification, "weights">): string {
  const how =
    difference === 0
      ? "the same logits as the source, to the bit"
      : `logits within ${formatNumber(difference, 2)} standard deviations of the source's`;
  return `Opened again and played on ${tokens} tokens: ${how}.`;
}
