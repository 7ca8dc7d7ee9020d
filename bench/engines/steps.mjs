/**
 * Times what every engine is asked for: a prompt, or the tokens behind it one by one.
 * @param {(tokens: number[], position: number) => unknown} append reads tokens, up to the logits of the last
 * @param {{ prompt: number[], tokens?: number[] }} work
 * @returns {Promise<number[]>} milliseconds of each of `tokens`, or of the prompt where there are none
 */
export async function timeSteps(append, { prompt, tokens }) {
  const begin = performance.now();
  await append(prompt, 0);
  if (!tokens) return [performance.now() - begin];
  const times = [];
  for (const [i, token] of tokens.entries()) {
    const start = performance.now();
    await append([token], prompt.length + i);
    times.push(performance.now() - start);
  }
  return times;
}
