/**
 * The canonical print: the shortest text that compress.ts finds. Schedules that play the same print the same, and printing
 * what the printer printed changes nothing.
 */
import { compress } from "./compress.ts";
import { type Stretch, stretches } from "./expand.ts";
import { parseSchedule } from "./parse.ts";
import { checkSteps, type Schedule, type Steps } from "./schedule.ts";

/** The canonical text of a parsed schedule. Repeats that hold an exit are written out: exits are counted one by one. */
export function printSchedule(schedule: Schedule): string {
  return stretches(schedule).map(printStretch).join(" ");
}

/** The canonical text of played steps. Throws `schedule-edit` where they are none, too many, or not steps. */
export function printSteps(steps: Steps): string {
  return compress(checkSteps(steps));
}

/** The schedule that plays these steps, in canonical form. */
export function fromSteps(steps: Steps): Schedule {
  return parseSchedule(printSteps(steps));
}

function printStretch({ steps, open, exit }: Stretch): string {
  const text = compress(steps);
  const single = steps.length === 1;
  return `${open ? `${single ? text : `(${text})`}x*` : text}${exit ? "!" : ""}`;
}
