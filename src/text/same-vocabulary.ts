/** Whether tokens mean the same to two tokenizers. */
import type { Tokenizer } from "./tokenizer.ts";

/** What is different about `theirs`, for a message; undefined where every token is the same piece of text. */
export function vocabularyDifference(theirs: Tokenizer, ours: Tokenizer): string | undefined {
  if (theirs.vocabSize !== ours.vocabSize) return `${theirs.vocabSize} tokens, not ${ours.vocabSize}`;
  for (let token = 0; token < ours.vocabSize; token++) {
    const [their, our] = [theirs.piece(token), ours.piece(token)];
    if (their !== our) return `token ${token} is ${JSON.stringify(their)}, not ${JSON.stringify(our)}`;
  }
  return undefined;
}
