/** `refrain distill`: a small model learns to predict as a large one does. */
import { inputError } from "../errors.ts";
import { defineRefrainCommand } from "./define.ts";
import { healingOptions, runHealing } from "./healing.ts";
import { text } from "./options.ts";

export const command = defineRefrainCommand({
  options: {
    teacher: text({ hint: "MODEL", description: "the model to learn from; its vocabulary must be the student's" }),
    student: text({
      hint: "MODEL",
      description: "the model that learns: all its weights, or what --rank or --layers say",
    }),
    schedule: text({ hint: "SCHEDULE", description: "how the student's blocks are played" }),
    ...healingOptions,
  },
  run: ({ teacher, student, schedule, ...values }, context) => {
    const missing = teacher === undefined ? "--teacher" : student === undefined ? "--student" : undefined;
    if (missing !== undefined) {
      throw inputError("option-missing", `refrain distill: ${missing} MODEL is missing`, "Name two models.");
    }
    // A teacher is always a model here, and what is written always one.
    const request = { command: "distill", model: student!, schedule, teacher: { model: teacher! } };
    const isAdapter = values.rank !== undefined || values.modules !== undefined;
    return runHealing({ ...request, usual: { kind: "all" }, merge: isAdapter }, values, context);
  },
});
