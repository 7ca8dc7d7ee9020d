/** `refrain inspect`: what a model is and what it costs, from its header alone; or from its training file, before there is one. */
import { inspect } from "../measure/inspection.ts";
import { readConfig } from "../model/read-config.ts";
import { contextLength } from "../model/session.ts";
import { resolveSchedule } from "../refrain.ts";
import { openPlanned } from "../train/planned-checkpoint.ts";
import { openCheckpoint } from "../weights/open.ts";
import { defineRefrainCommand } from "./define.ts";
import { inspectionText } from "./inspect-text.ts";
import { knownDevice } from "./known-device.ts";
import { argument, flag, modelOptions, profileOption } from "./options.ts";

export const command = defineRefrainCommand({
  options: {
    model: argument({ description: "a folder, a .gguf or .bin file, hf:org/name[/file], or a training file (.json)" }),
    schedule: modelOptions.schedule,
    context: modelOptions.context,
    threads: modelOptions.threads,
    profile: profileOption("predict speeds from this profile of a device"),
    tensors: flag({ description: "list every tensor" }),
  },
  run: async ({ model, schedule, context, threads, profile: given, tensors }, { output, signal, onProgress }) => {
    const device = await knownDevice(given, threads);
    const checkpoint = /\.json$/i.test(model)
      ? await openPlanned(model)
      : await openCheckpoint(model, { signal, onProgress, headerOnly: true });
    try {
      const config = await readConfig(checkpoint);
      const own = resolveSchedule(config, undefined);
      const others = schedule === undefined ? [] : [resolveSchedule(config, schedule)];
      const length = contextLength(config, context);
      const inspection = inspect(checkpoint, config, [own, ...others], length, device?.measured);
      const document = { ...inspection, device: device?.named ?? null };
      output.result(document, inspectionText(model, inspection, tensors, device?.named));
    } finally {
      await checkpoint.close();
    }
  },
});
