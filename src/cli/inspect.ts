/** `refrain inspect`: what a model is and what it costs, from its header alone. */
import { inspect } from "../measure/inspection.ts";
import { readConfig } from "../model/read-config.ts";
import { contextLength } from "../model/session.ts";
import { resolveSchedule } from "../refrain.ts";
import { openCheckpoint } from "../weights/open.ts";
import { defineRefrainCommand } from "./define.ts";
import { inspectionText } from "./inspect-text.ts";
import { argument, flag, modelOptions } from "./options.ts";

export const command = defineRefrainCommand({
  options: {
    model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
    schedule: modelOptions.schedule,
    context: modelOptions.context,
    tensors: flag({ description: "list every tensor" }),
  },
  run: async ({ model, schedule, context, tensors }, { output, signal, onProgress }) => {
    const checkpoint = await openCheckpoint(model, { signal, onProgress, headerOnly: true });
    try {
      const config = await readConfig(checkpoint);
      const own = resolveSchedule(config, undefined);
      const others = schedule === undefined ? [] : [resolveSchedule(config, schedule)];
      const inspection = inspect(checkpoint, config, [own, ...others], contextLength(config, context));
      output.result(inspection, inspectionText(model, inspection, tensors));
    } finally {
      await checkpoint.close();
    }
  },
});
