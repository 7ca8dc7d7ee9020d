/**
 * What ALBERT's tensors are called. transformers puts layers into groups, `albert_layer_groups.G.albert_layers.I`; here they are
 * blocks, counted through all groups, and a block is a group of one layer.
 */

const layer = /^albert\.encoder\.albert_layer_groups\.(\d+)\.albert_layers\.(\d+)\./;

const blockName = (group: number, of: number): string =>
  `albert.encoder.albert_layer_groups.${group}.albert_layers.${of}.`;

/**
 * The name that a file's tensor has here, or undefined for what predicts no tokens: the pooler and what reads it. Models that were
 * saved without the head lack the prefix.
 */
export function albertName(
  name: string,
  { inner_group_num: inner }: Readonly<Record<string, unknown>>,
): string | undefined {
  const own = /^(embeddings|encoder|pooler)\./.test(name) ? `albert.${name}` : name;
  if (/\.position_ids$|^albert\.pooler\.|^sop_classifier\.|^predictions\.decoder\.bias$/.test(own)) return undefined;
  const layers = typeof inner === "number" ? inner : 1;
  return own.replace(layer, (_, group, i) => blockName(Number(group) * layers + Number(i), 0));
}

/** The name that one of our tensors has in a file that has all blocks in one group. */
export const inOneGroup = (name: string): string => name.replace(layer, (_, block) => blockName(0, Number(block)));
