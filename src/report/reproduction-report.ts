/** What an experiment found: "the paper says / we measure", as tables and a picture. */

import type { Experiment } from "../reproduce/experiment.ts";
import type { Conditions } from "../reproduce/run.ts";
import { uniqueParameters } from "../reproduce/shapes.ts";
import { lossesOf, type Outcome, spread, type Verdict, verdicts } from "../reproduce/verdict.ts";
import { dots } from "./dots.ts";
import { formatCount, formatDuration, formatShortCount } from "./format.ts";
import { type Column, markdownTable, type Row, textTable } from "./table.ts";

const armColumns: readonly Column[] = [
  { title: "arm", align: "left" },
  { title: "what", align: "left" },
  { title: "parameters" },
  { title: "the paper says", align: "left" },
  { title: "we measure", unit: "nats a token" },
  { title: "seeds" },
  { title: "time of a run" },
];

const claimColumns: readonly Column[] = [
  { title: "the paper says", align: "left" },
  { title: "arms", align: "left" },
  { title: "we measure: gain", unit: "nats a token" },
  { title: "verdict", align: "left" },
];

const inWords: Readonly<Record<Verdict["verdict"], string>> = {
  holds: "holds in every seed",
  fails: "does not hold: in no seed",
  undecided: "undecided: the seeds disagree",
  points: "points that way (one seed)",
  "points away": "points the other way (one seed)",
  "not run": "not run",
};

const written = (values: readonly number[], digits: number): string => {
  const found = spread(values);
  if (!found) return "";
  const range = found.count > 1 ? ` (${found.least.toFixed(digits)} … ${found.most.toFixed(digits)})` : "";
  return `${found.mean.toFixed(digits)}${range}`;
};

function armRows(experiment: Experiment, outcomes: readonly Outcome[]): Row[] {
  return experiment.arms.map((arm) => {
    const own = lossesOf(outcomes, arm.name);
    const seconds = spread(own.map((outcome) => outcome.seconds));
    return [
      arm.name,
      arm.schedule === undefined ? arm.what : `${arm.what}: ${arm.schedule}`,
      formatShortCount(uniqueParameters(arm)),
      arm.paper ?? "",
      written(
        own.map(({ loss }) => loss),
        4,
      ),
      String(own.length),
      seconds ? formatDuration(seconds.mean) : "",
    ];
  });
}

function claimRows(experiment: Experiment, outcomes: readonly Outcome[]): Row[] {
  return verdicts(experiment, outcomes).map(({ claim, gain, verdict }) => [
    claim.says,
    `${claim.better} against ${claim.worse}`,
    gain ? signed(gain.mean) + (gain.count > 1 ? ` (${signed(gain.least)} … ${signed(gain.most)})` : "") : "",
    inWords[verdict],
  ]);
}

const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;

/** For the terminal. */
export function reproductionText(experiment: Experiment, outcomes: readonly Outcome[]): string {
  return [
    experiment.title,
    experiment.paper,
    "",
    textTable(armColumns, armRows(experiment, outcomes)),
    "",
    textTable(claimColumns, claimRows(experiment, outcomes)),
    "",
    ...experiment.remarks,
  ].join("\n");
}

/** The files of a report, by name, but for the PNG of the picture. `machine` and `command` say how the figures were made. */
export function reproductionFiles(
  experiment: Experiment,
  outcomes: readonly Outcome[],
  conditions: Conditions,
  { machine, command, date }: { readonly machine: string; readonly command: string; readonly date: string },
): { readonly "report.md": string; readonly "losses.svg": string; readonly "report.json": string } {
  const picture = dots({
    title: experiment.title,
    subtitle: `validation loss after ${formatCount(conditions.tokens)} tokens of ${conditions.text.name}; a dot is a seed, the tick their mean`,
    x: "nats a token; left is better",
    arms: experiment.arms.map(({ name, what }) => ({
      name,
      note: what,
      values: lossesOf(outcomes, name).map(({ loss }) => loss),
    })),
  });
  const markdown = [
    `# ${experiment.title}`,
    "",
    `${experiment.paper}.`,
    "",
    `Each arm: ${formatCount(conditions.tokens)} tokens of ${conditions.text.name} (sha256 ${conditions.text.sha256.slice(0, 12)}…), ${conditions.recipe}; ${conditions.threads} ${conditions.threads === 1 ? "thread" : "threads"}, ${machine}, ${date}.`,
    "",
    "```sh",
    command,
    "```",
    "",
    markdownTable(armColumns, armRows(experiment, outcomes)),
    "",
    markdownTable(claimColumns, claimRows(experiment, outcomes)),
    "",
    ...experiment.remarks.map((remark) => `- ${remark}`),
    "",
    "![Validation losses](losses.svg)",
    "",
  ].join("\n");
  const data = {
    experiment: experiment.name,
    paper: experiment.paper,
    conditions,
    machine,
    command,
    date,
    arms: experiment.arms.map((arm) => ({ ...arm, parameters: uniqueParameters(arm) })),
    outcomes,
    claims: verdicts(experiment, outcomes),
  };
  return {
    "report.md": markdown,
    "losses.svg": picture,
    "report.json": `${JSON.stringify(data, null, 2)}\n`,
  };
}
