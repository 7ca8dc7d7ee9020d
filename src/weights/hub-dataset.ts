/**
 * Data sets from the Hugging Face hub, as parquet: the hub converts every data set by itself and keeps the result on the
 * branch refs/convert/parquet, as <config>/<split>/0000.parquet and so on.
 */
import { inputError } from "../errors.ts";
import { type HubOptions, openRepository } from "./hub.ts";
import { HubCache } from "./hub-cache.ts";

export interface DatasetName {
  /** "org/name" */
  readonly repository: string;
  readonly config: string;
  readonly split: string;
}

const revision = "refs/convert/parquet";

/** The local path of the first file of a split: what it holds suffices for evaluation sets. Errors as `fetchFromHub`. */
export async function fetchDataset({ repository, config, split }: DatasetName, options: HubOptions): Promise<string> {
  const cache = new HubCache(repository, "dataset");
  const folder = `${config}/${split}`;
  const path = `${folder}/0000.parquet`;
  const known = await cache.commitOf(revision);
  if (known !== undefined && cache.has(known, path)) return cache.snapshot(known, path);
  const { client, commit, listing, fetchAll } = await openRepository(
    { repository, path: folder, revision, kind: "dataset" },
    cache,
    options,
  );
  const file = listing.get(path);
  if (file === undefined) {
    throw inputError("hub-file-missing", `${client.url}/${client.repository} has no ${path} on ${revision}`);
  }
  await fetchAll([file]);
  await cache.setRevision(revision, commit);
  return cache.snapshot(commit, path);
}
