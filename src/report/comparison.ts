/** Several profiles as one table: figures and, below the first row, what they are of it. */
import type { Profile } from "../measure/profile.ts";
import { formatBytes, formatNumber, formatPercent, formatRatio, formatShortCount } from "./format.ts";
import type { Column, Row } from "./table.ts";

export interface NamedProfile {
  readonly name: string;
  readonly profile: Profile;
}

export function comparison(rows: readonly NamedProfile[]): { readonly columns: Column[]; readonly rows: Row[] } {
  const first = rows[0]!.profile;
  const withPerplexity = rows.every(({ profile }) => profile.perplexity !== undefined);
  const columns: Column[] = [
    { title: "model", align: "left" },
    { title: "schedule", align: "left" },
    { title: "layers" },
    { title: "parameters" },
    { title: "played" },
    { title: "weights" },
    { title: "share" },
    { title: "cache a token" },
    ...(withPerplexity ? [{ title: "perplexity" }] : []),
    { title: "tok/s" },
    { title: "speed" },
  ];
  return {
    columns,
    rows: rows.map(({ name, profile }) => [
      name,
      profile.schedule,
      String(profile.cost.effectiveDepth),
      formatShortCount(profile.cost.uniqueParameters),
      formatShortCount(profile.cost.effectiveParameters),
      formatBytes(profile.weightBytes),
      formatPercent(profile.weightBytes / first.weightBytes, 1),
      formatBytes(profile.cost.kvBytesPerToken),
      ...(profile.perplexity ? [formatNumber(profile.perplexity.perplexity, 4)] : []),
      formatNumber(profile.speed.tokensPerSecond),
      formatRatio(profile.speed.tokensPerSecond / first.speed.tokensPerSecond),
    ]),
  };
}
