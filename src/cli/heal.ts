/** `refrain heal`: a shrunk model learns to make up for what it lost. */
import { parseSchedule } from "../schedule/parse.ts";
import type { Teacher } from "../train/heal-options.ts";
import { defineRefrainCommand } from "./define.ts";
import { healingOptions, runHealing } from "./healing.ts";
import { argument, flag, modelOptions, text } from "./options.ts";

export const command = defineRefrainCommand({
  options: {
    model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
    schedule: modelOptions.schedule,
    teacher: text({
      hint: "TEACHER",
      description:
        'learn from a schedule of the same file, e.g. its whole order "0-29", or from another model of the same vocabulary',
    }),
    merge: flag({ description: "write a model with the adapter folded into its weights instead of the adapter" }),
    ...healingOptions,
  },
  run: ({ model, schedule, teacher, merge, ...values }, context) => {
    const usual = { kind: "lora", rank: 8, modules: "all" } as const;
    return runHealing({ command: "heal", model, schedule, teacher: teacherOf(teacher), merge, usual }, values, context);
  },
});

/** A schedule of the model itself, or another model. */
function teacherOf(name: string | undefined): Teacher | undefined {
  if (name === undefined) return undefined;
  try {
    parseSchedule(name);
    return { schedule: name };
  } catch {
    return { model: name };
  }
}
