/** `refrain compare`: several models, or several schedules of one, in one table. */
import { profile } from "../measure/profile.ts";
import { load } from "../refrain.ts";
import { comparison, type NamedProfile } from "../report/comparison.ts";
import { formatCount } from "../report/format.ts";
import { markdownTable, textTable } from "../report/table.ts";
import { firstTokens } from "../text/first-tokens.ts";
import { readText } from "../text/read-text.ts";
import { defineRefrainCommand } from "./define.ts";
import { argumentList, flag, integer, modelOptions, text, texts } from "./options.ts";
import { textOption } from "./text-options.ts";

export const command = defineRefrainCommand({
  options: {
    models: argumentList({ description: "folders, .gguf or .bin files, or hf:org/name[/file]" }),
    schedule: texts({ hint: "SCHEDULE", description: "also the first model with this schedule; may be repeated" }),
    text: textOption,
    tokens: integer({ hint: "N", min: 3, max: 1e9, description: "read only the first N tokens of the text" }),
    window: integer({ hint: "N", min: 2, max: 1_048_576, description: "tokens of a window (default: at most 1024)" }),
    prompt: text({ hint: "TEXT", description: "also show how each continues this text" }),
    weights: modelOptions.weights,
    threads: modelOptions.threads,
    markdown: flag({ description: "print the table as Markdown" }),
  },
  run: async (values, { output, signal, onProgress }) => {
    const file = values.text === undefined ? undefined : await readText(values.text);
    const rows: NamedProfile[] = [];
    for (const [i, name] of values.models.entries()) {
      const { weights, threads } = values;
      const model = await load(name, { weights, threads, signal, onProgress });
      try {
        const tokens = file && firstTokens(model.needTokenizer(), file.text, values.tokens);
        const others = i === 0 ? values.schedule.map((schedule) => model.withSchedule(schedule)) : [];
        for (const variant of [model, ...others]) {
          const { window, prompt } = values;
          rows.push({ name, profile: await profile(variant, { tokens, window, prompt, signal, onProgress }) });
        }
        await Promise.all(others.map((other) => other.dispose()));
      } finally {
        await model.dispose();
      }
    }
    const table = comparison(rows);
    const samples = rows.flatMap(({ name, profile: { schedule, sample } }) =>
      sample === undefined ? [] : [`${name}, ${schedule}:\n${values.prompt}${sample}`],
    );
    const measured = rows[0]!.profile.perplexity;
    const caption =
      file && measured
        ? `Perplexity on ${file.name}: ${formatCount(measured.tokens)} tokens, window ${formatCount(measured.window)}, stride ${formatCount(measured.stride)}. `
        : "Perplexity: add --text FILE. ";
    output.result(
      {
        rows: rows.map(({ name, profile: p }) => ({ model: name, ...p })),
        text: file && { name: file.name, sha256: file.sha256 },
      },
      [
        values.markdown ? markdownTable(table.columns, table.rows) : textTable(table.columns, table.rows),
        `${caption}Speed: decode after a short prompt, an indication; npm run bench compares with care.`,
        ...samples,
      ].join("\n\n"),
    );
  },
});
