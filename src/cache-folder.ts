/** Where Refrain keeps what it has measured and could measure again. The rim towards Node. */
import { homedir } from "node:os";
import { join } from "node:path";

/** In $XDG_CACHE_HOME or ~/.cache; it need not exist yet. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "refrain");
}
