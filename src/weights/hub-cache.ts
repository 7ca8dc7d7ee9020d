/**
 * The cache folder of the Hugging Face hub, as the Python library lays it out, so that what one has fetched the other
 * finds. In <cache>/models--org--name or <cache>/datasets--org--name:
 *
 *     blobs/<etag>                     contents, named by the git or sha256 hash that the hub states
 *     snapshots/<commit>/<path>        links to them
 *     refs/<revision>                  the commit that a branch or tag meant when it was fetched
 *     .no_exist/<commit>/<path>        empty: known not to be in that commit
 */
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { getHFHubCachePath, getRepoFolderName } from "@huggingface/hub";
import { isSystemError } from "./node-file.ts";

const commitPattern = /^[0-9a-f]{40}$/;

export class HubCache {
  readonly root: string;

  constructor(repository: string, type: "model" | "dataset" = "model") {
    this.root = join(getHFHubCachePath(), getRepoFolderName({ type, name: repository }));
  }

  /** The commit that a revision is known to be, without asking the hub. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (commitPattern.test(revision)) return revision;
    const commit = await readFile(join(this.root, "refs", revision), "utf8").catch(() => "");
    return commitPattern.test(commit.trim()) ? commit.trim() : undefined;
  }

  /** Where a file of a commit is or will be. */
  snapshot(commit: string, path = ""): string {
    return join(this.root, "snapshots", commit, path);
  }

  /** Makes sure of a blob: `fetch` brings it to its place where it is not there. */
  async fill(etag: string, fetch: (place: string) => Promise<void>): Promise<void> {
    if (!existsSync(this.blob(etag))) await fetch(this.blob(etag));
  }

  async makeRoot(): Promise<string> {
    await mkdir(this.root, { recursive: true });
    return this.root;
  }

  has(commit: string, path: string): boolean {
    return existsSync(this.snapshot(commit, path));
  }

  isKnownAbsent(commit: string, path: string): boolean {
    return existsSync(join(this.root, ".no_exist", commit, path));
  }

  async markAbsent(commit: string, path: string): Promise<void> {
    await writeWithFolder(join(this.root, ".no_exist", commit, path), "");
  }

  async setRevision(revision: string, commit: string): Promise<void> {
    if (revision !== commit) await writeWithFolder(join(this.root, "refs", revision), commit);
  }

  /** Puts a blob that is there into a snapshot. */
  async link(commit: string, path: string, etag: string): Promise<void> {
    const from = this.snapshot(commit, path);
    const to = this.blob(etag);
    await mkdir(dirname(from), { recursive: true });
    await rm(from, { force: true });
    await symlink(relative(dirname(from), to), from).catch(async (error: unknown) => {
      if (isSystemError(error, "EEXIST")) return;
      // Windows allows links to few users only.
      await copyFile(to, from);
    });
  }

  private blob(etag: string): string {
    return join(this.root, "blobs", etag);
  }
}

async function writeWithFolder(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
