/** `refrain reproduce`: a paper's claim as an experiment at our scale: "the paper says / we measure". */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, join } from "node:path";
import { nodeHost } from "../engine/wasm/node-host.ts";
import { defaultThreads } from "../engine/wasm/player.ts";
import { inputError } from "../errors.ts";
import { machineInWords } from "../machine.ts";
import { nearest } from "../nearest.ts";
import { svgToPng } from "../report/node-png.ts";
import { reproductionFiles, reproductionText } from "../report/reproduction-report.ts";
import { textTable } from "../report/table.ts";
import { writeReport } from "../report/write-report.ts";
import type { Experiment } from "../reproduce/experiment.ts";
import { experiments } from "../reproduce/experiments.ts";
import { goesOnByItself, runExperiment } from "../reproduce/run.ts";
import { RECIPE, trainArm } from "../reproduce/train-arm.ts";
import { version } from "../version.ts";
import { openFile } from "../weights/node-file.ts";
import { defineRefrainCommand } from "./define.ts";
import { flag, integer, modelOptions, optionalArgument, text } from "./options.ts";
import { quoted } from "./quoted.ts";

const FULL = { tokens: 500_000, seeds: 2 };
const QUICK = { tokens: 100_000, seeds: 1 };

export const command = defineRefrainCommand({
  options: {
    paper: optionalArgument({ description: "which paper; without it, a list" }),
    text: text({ hint: "FILE", description: "the text that all arms are trained on, UTF-8, a megabyte or more" }),
    quick: flag({ description: `one seed, ${QUICK.tokens} tokens an arm: the direction in some ten minutes` }),
    seeds: integer({ hint: "N", min: 1, max: 100, description: `runs of each arm (default: ${FULL.seeds})` }),
    tokens: integer({
      hint: "N",
      min: 1024,
      max: 1e12,
      description: `tokens that each arm is trained on (default: ${FULL.tokens})`,
    }),
    out: text({
      hint: "OUT",
      alias: "o",
      description: "the folder of results and runs; a second call goes on with it",
    }),
    threads: modelOptions.threads,
  },
  run: async ({ paper, quick, ...values }, { output, signal, onProgress }) => {
    if (paper === undefined) return output.result({ experiments: experiments.map(listed) }, list());
    const experiment = named(paper);
    const path = needText(values.text, paper);
    const { tokens, seeds } = { ...(quick ? QUICK : FULL), ...given(values) };
    const out = values.out ?? join("reproductions", `${experiment.name}${quick ? "-quick" : ""}`);
    const threads = values.threads ?? defaultThreads(nodeHost);
    const conditions = {
      experiment: experiment.name,
      text: { name: basename(path), sha256: await hashOf(path) },
      tokens,
      recipe: RECIPE,
      threads,
      refrain: version,
    };
    const reproduce = async () => {
      const outcomes = await runExperiment(experiment, {
        out,
        seeds,
        conditions,
        train: (run, progress) => trainArm(run, { text: path, tokens, threads, signal, onProgress: progress }),
        onProgress,
      });
      const files = reproductionFiles(experiment, outcomes, conditions, {
        machine: machineInWords(),
        command: `refrain reproduce ${paper} --text ${quoted(path)} --tokens ${tokens} --seeds ${seeds} --threads ${threads}`,
        date: new Date().toISOString().slice(0, 10),
      });
      await writeReport(out, { ...files, "losses.png": await svgToPng(files["losses.svg"]) });
      return { outcomes, files };
    };
    const { outcomes, files } = await reproduce().catch((error: unknown) => {
      throw goesOnByItself(error);
    });
    output.result(
      JSON.parse(files["report.json"]),
      `${reproductionText(experiment, outcomes)}\n\n${join(out, "report.md")}`,
    );
  },
});

const listed = ({ name, title, paper, arms }: Experiment) => ({ name, title, paper, arms: arms.length });

function list(): string {
  const rows = experiments.map(({ name, title, arms, paper }) => [name, title, String(arms.length), paper]);
  return [
    textTable(
      [
        { title: "name", align: "left" },
        { title: "question", align: "left" },
        { title: "arms" },
        { title: "paper", align: "left" },
      ],
      rows,
    ),
    "",
    `Next: refrain reproduce ${experiments[0]!.name} --quick --text FILE`,
  ].join("\n");
}

function named(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name === name);
  if (found) return found;
  const names = experiments.map((experiment) => experiment.name);
  const near = nearest(name, names);
  throw inputError(
    "experiment",
    `there is no experiment "${name}"`,
    near === undefined ? `There are ${names.join(", ")}.` : `Did you mean ${near}?`,
  );
}

function needText(path: string | undefined, paper: string): string {
  if (path !== undefined) return path;
  throw inputError(
    "option-missing",
    `refrain reproduce ${paper}: --text FILE is missing`,
    "Any UTF-8 text of a few megabytes does, e.g. part of TinyStories; the results name it.",
  );
}

const given = ({ tokens, seeds }: { readonly tokens?: number | undefined; readonly seeds?: number | undefined }) => ({
  ...(tokens !== undefined && { tokens }),
  ...(seeds !== undefined && { seeds }),
});

async function hashOf(path: string): Promise<string> {
  // Its refusals are clear ones: missing, a folder, not readable.
  const file = await openFile(path);
  await file.close();
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
