/**
 * Requests to the hub: address, token, and what its refusals mean. The answers of its API are read by its own client,
 * which is handed this `fetch`; it has no way to be aborted and takes no token but the hub's own kind.
 */
import { failure, inputError, RefrainError } from "../errors.ts";
import { interrupted } from "./disk.ts";

export class HubClient {
  /** `HF_ENDPOINT`, or the hub. */
  readonly url = (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  /** As in addresses: "org/name", "datasets/org/name". */
  readonly repository: string;
  private readonly signal: AbortSignal | undefined;

  constructor(repository: string, signal?: AbortSignal) {
    this.repository = repository;
    this.signal = signal;
  }

  /**
   * As the global one, with the token where it belongs. Errors: `hub-unreachable`, `interrupted`, and those of `refusal`
   * for an answer that is not a success.
   */
  readonly fetch: typeof fetch = async (input, init) => {
    const response = await this.fetchAny(String(input), init);
    if (response.ok) return response;
    await response.body?.cancel();
    throw this.refusal(response);
  };

  /** As `fetch`, but any answer is an answer. */
  async fetchAny(url: string, init: RequestInit = {}): Promise<Response> {
    if (/^(1|on|yes|true)$/i.test(process.env.HF_HUB_OFFLINE ?? "")) throw this.unreachable("HF_HUB_OFFLINE is set");
    const headers = new Headers(init.headers);
    const token = process.env.HF_TOKEN;
    // `fetch` itself drops it when the hub sends us on to another server.
    if (token && new URL(url).origin === new URL(this.url).origin) headers.set("Authorization", `Bearer ${token}`);
    try {
      return await fetch(url, { ...init, headers, ...(this.signal ? { signal: this.signal } : {}) });
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** What an error of a request or of its body means. */
  explain(error: unknown): unknown {
    if (this.signal?.aborted) return interrupted("what was downloaded is kept, and the same command continues there.");
    if (!(error instanceof TypeError)) return error;
    const cause = error.cause instanceof Error ? error.cause : error;
    return this.unreachable(cause.message || ("code" in cause ? String(cause.code) : "no reason given"), error);
  }

  /** Errors: `hub-not-found`, `hub-revision`, `hub-file-missing`, `hub-gated`, `hub-error`. */
  refusal(response: Response): RefrainError {
    const { status } = response;
    const code = response.headers.get("x-error-code");
    const page = `${this.url}/${this.repository}`;
    const http = `(HTTP ${status} from ${new URL(response.url).host})`;
    if (code === "RevisionNotFound") return inputError("hub-revision", `${page} has no such revision ${http}`);
    if (code === "EntryNotFound") return inputError("hub-file-missing", `${page} has no such file or folder ${http}`);
    if (code === "GatedRepo" || status === 403) {
      const help = `Accept its conditions at ${page}, then set HF_TOKEN to a token of your account.`;
      return inputError("hub-gated", `${page} is not open to everybody ${http}`, help);
    }
    if (status === 401 || status === 404) {
      const help = "Check the spelling; for a private model set HF_TOKEN to a token that may read it.";
      return inputError("hub-not-found", `There is no model ${page} that you may read ${http}`, help);
    }
    return failure("hub-error", `${page} cannot be read ${http}`, "Try again later.");
  }

  private unreachable(why: string, cause?: unknown): RefrainError {
    const help = "Check the network. A model that was fetched once needs none; a folder or a .gguf file never does.";
    return failure("hub-unreachable", `Cannot reach ${this.url}: ${why}`, help, cause);
  }
}

export function isUnreachable(error: unknown): boolean {
  return RefrainError.is(error) && error.code === "hub-unreachable";
}
