/** The side of the worker: one engine, opened once and then asked to work; see `../page.mjs` for the other side. */

/**
 * Every engine continues a prompt greedily. A step is the time from one token to the next: the model, and the choice of the
 * likeliest token. No engine may stop early.
 * @typedef {object} Engine
 * @property {object} info facts about it
 * @property {(work: { text: string, prompt: number[], tokens: number }) => Promise<Result>} time
 */

/**
 * @typedef {object} Result
 * @property {number[]} times milliseconds: of the prompt, where `tokens` is 0, else of each further token or of all, evenly
 * @property {number | string} [first] the first token after the prompt, or its text, to see that engines compute the same
 */

/** @param {(options: object) => Promise<Engine>} open */
export function serve(open) {
  let engine;
  self.onmessage = async ({ data }) => {
    try {
      if (data.open) engine = await open(data.open);
      self.postMessage({ answer: data.open ? engine.info : await engine.time(data.work) });
    } catch (error) {
      self.postMessage({ error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) });
    }
  };
  self.postMessage("ready");
}

/** The likeliest token. */
export function indexOfGreatest(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
