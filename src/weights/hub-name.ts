/** Names of models on the Hugging Face hub: `hf:org/name[/file][@revision]`. */
import { inputError } from "../errors.ts";

export interface HubName {
  /** "org/name". */
  readonly repository: string;
  /** A file or folder of the repository, "/" between its parts; absent for the whole model. */
  readonly path?: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** Without it, a model. */
  readonly kind?: "dataset";
}

export function isHubName(text: string): boolean {
  return text.startsWith("hf:");
}

/** Error: `hub-name`. */
export function parseHubName(text: string): HubName {
  const [, repository, path, revision = "main"] =
    /^hf:([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*)(?:\/([^@]*[^@/]))?\/?(?:@(.+))?$/.exec(text) ?? [];
  const harmless = (parts: string) => parts.split("/").every((part) => /^[^\\\0:]+$/.test(part) && !/^\.+$/.test(part));
  // Both become paths in the cache.
  if (repository === undefined || !harmless(path ?? "-") || !harmless(revision)) {
    const help = "Write hf:org/name, hf:org/name/file.gguf or hf:org/name@revision.";
    throw inputError("hub-name", `${JSON.stringify(text)} is not a name on the hub`, help);
  }
  // A model in safetensors is its folder, whichever file of it is named.
  const place = path?.replace(/(^|\/)[^/]+\.safetensors$/, "");
  return { repository, revision, ...(place ? { path: place } : {}) };
}
