/** Refrain, through `refrain/web`. */
import { load } from "../../../dist/web.js";
import { indexOfGreatest, serve } from "./serve.mjs";

serve(async ({ gguf, threads, context }) => {
  const model = await load(gguf, { threads, contextLength: context });
  const session = model.session();
  return {
    info: { engine: model.engine },
    async time({ prompt, tokens }) {
      session.rewind(0);
      const begin = performance.now();
      const first = indexOfGreatest(await session.feed(prompt));
      const read = performance.now() - begin;
      if (tokens === 0) return { times: [read], first };
      const times = [];
      for (let token = first, i = 0; i < tokens; i++) {
        const start = performance.now();
        session.play([token]);
        token = indexOfGreatest(session.logits(0));
        times.push(performance.now() - start);
      }
      return { times, first };
    },
  };
});
