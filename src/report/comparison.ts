/** Several profiles as one table: a line for each figure, a column for each profile, with ratios to the first. */
import type { Profile } from "../measure/profile.ts";
import { taskDifferences, taskMean } from "../measure/tasks/evaluate.ts";
import type { Figure as Share } from "../measure/tasks/metrics.ts";
import { formatBytes, formatNumber, formatRatio, formatShortCount } from "./format.ts";
import type { Column, Row } from "./table.ts";
import { formatDifference, formatPerplexity, formatShare } from "./task-table.ts";

export interface NamedProfile {
  /** Short: it stands above a column. */
  readonly name: string;
  readonly profile: Profile;
}

interface Figure {
  readonly name: string;
  readonly of: (profile: Profile) => number | undefined;
  readonly write: (value: number) => string;
}

const figures: readonly Figure[] = [
  { name: "layers played", of: ({ cost }) => cost.effectiveDepth, write: String },
  { name: "parameters, unique", of: ({ cost }) => cost.uniqueParameters, write: formatShortCount },
  { name: "parameters, effective", of: ({ cost }) => cost.effectiveParameters, write: formatShortCount },
  { name: "weights in memory", of: ({ weightBytes }) => weightBytes, write: formatBytes },
  { name: "keys and values, a token", of: ({ kvBytesPerToken }) => kvBytesPerToken, write: formatBytes },
  { name: "perplexity", of: ({ perplexity }) => perplexity?.perplexity, write: (value) => formatNumber(value, 4) },
  {
    name: "bits a byte of text",
    of: ({ perplexity }) => perplexity?.bitsPerByte,
    write: (value) => formatNumber(value, 4),
  },
  { name: "decode, tok/s", of: ({ speed }) => speed.tokensPerSecond, write: formatNumber },
];

/** At least one profile. A figure that one of them lacks is left out. */
export function comparison(profiles: readonly NamedProfile[]): { readonly columns: Column[]; readonly rows: Row[] } {
  const first = profiles[0]!.profile;
  const rows = figures.flatMap(({ name, of, write }): Row[] => {
    const values = profiles.map(({ profile }) => of(profile));
    if (values.includes(undefined)) return [];
    const cells = values.map((value, i) => {
      const ratio = i === 0 ? "" : `  ${formatRatio(value! / of(first)!).padStart(5)}`;
      return `${write(value!)}${ratio}`;
    });
    return [[name, ...cells]];
  });
  rows.push(...taskRows(profiles));
  return { columns: [{ title: "", align: "left" }, ...profiles.map(({ name }) => ({ title: name }))], rows };
}

/** Shares with their standard errors and differences from the first's: a ratio of two shares would say little. */
function taskRows(profiles: readonly NamedProfile[]): Row[] {
  const first = profiles[0]!.profile.tasks;
  const differences = profiles.map(({ profile }) => taskDifferences(first, profile.tasks));
  const cell = (share: Share, difference: Share, i: number) =>
    `${formatShare(share)}${i === 0 ? "" : `  ${formatDifference(difference)}`}`;
  const rows = first.map(({ title, metrics }, t) => [
    `${title}, ${metrics.acc_norm ? "acc_norm" : "acc"}`,
    ...profiles.map(({ profile }, i) => cell(profile.tasks[t]!.score, differences[i]!.tasks[t]!, i)),
  ]);
  const perplexities = first.flatMap(({ title, metrics }, t) =>
    metrics.perplexity
      ? [
          [
            `${title}, perplexity`,
            ...profiles.map(({ profile }) => formatPerplexity(profile.tasks[t]!.metrics.perplexity!)),
          ],
        ]
      : [],
  );
  const means = profiles.map(({ profile }, i) => cell(taskMean(profile.tasks), differences[i]!.mean, i));
  const mean = first.length > 1 ? [[`mean of ${first.length} tasks`, ...means]] : [];
  return [...rows, ...mean, ...perplexities];
}
