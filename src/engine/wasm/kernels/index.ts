/** What the host sees: the two ways into the interpreter, the packers, and the table index of each kernel by name. */
import { attention, attentionQ8 } from "./attention";
import { attentionKeysValues, attentionQueries } from "./attention-backward";
import { cacheAppend, cacheAppendQ8 } from "./attention-cache";
import { add, columns, exp, gelu, multiply, relu, scale, softplus, swiglu, tail } from "./elementwise";
import { columnsInput, geluInput, reluInput, softplusInput, swigluGate, tailInput } from "./elementwise-backward";
import { embed } from "./embed";
import { geluExact, geluExactInput } from "./gelu-exact";
import { embedTable, linearInput, linearWeight, sumRows } from "./linear-backward";
import { linearF16, linearF32 } from "./linear-float";
import { linearQ4, linearQ4_1, linearQ8 } from "./linear-integer";
import { crossEntropy, crossEntropyInput, mean, meanInput } from "./loss";
import { distill, distillInput, meanSquares, meanSquaresInput } from "./loss-teacher";
import { matrixProduct } from "./matrix-product";
import { gram, mapColumns, muonMomentum, muonStep, normalize } from "./muon";
import { headNorm, layerNorm, rmsNorm } from "./norm";
import { layerNormInput, layerNormWeight, rmsNormInput, rmsNormWeight } from "./norm-backward";
import { adamw, squares } from "./optimizer";
import { read } from "./probe";
import { quantizeSigned, quantizeSplit } from "./quantize";
import { rope } from "./rope";

export { unpackRow } from "./embed";
export { play, work } from "./interpreter";
export {
  firstNonFinite,
  maxMagnitude,
  packF16,
  packF32,
  packQ4,
  packQ8,
} from "./pack";
export { liftRows, repackQ4_0, repackQ4_1, repackQ8_0 } from "./repack";

export const op_adamw: i32 = adamw.index;
export const op_add: i32 = add.index;
export const op_attention: i32 = attention.index;
export const op_attentionKeysValues: i32 = attentionKeysValues.index;
export const op_attentionQ8: i32 = attentionQ8.index;
export const op_attentionQueries: i32 = attentionQueries.index;
export const op_cacheAppend: i32 = cacheAppend.index;
export const op_cacheAppendQ8: i32 = cacheAppendQ8.index;
export const op_columns: i32 = columns.index;
export const op_columnsInput: i32 = columnsInput.index;
export const op_crossEntropy: i32 = crossEntropy.index;
export const op_crossEntropyInput: i32 = crossEntropyInput.index;
export const op_distill: i32 = distill.index;
export const op_distillInput: i32 = distillInput.index;
export const op_embed: i32 = embed.index;
export const op_embedTable: i32 = embedTable.index;
export const op_exp: i32 = exp.index;
export const op_gelu: i32 = gelu.index;
export const op_geluExact: i32 = geluExact.index;
export const op_geluExactInput: i32 = geluExactInput.index;
export const op_geluInput: i32 = geluInput.index;
export const op_gram: i32 = gram.index;
export const op_headNorm: i32 = headNorm.index;
export const op_layerNorm: i32 = layerNorm.index;
export const op_layerNormInput: i32 = layerNormInput.index;
export const op_layerNormWeight: i32 = layerNormWeight.index;
export const op_linearF16: i32 = linearF16.index;
export const op_linearF32: i32 = linearF32.index;
export const op_linearInput: i32 = linearInput.index;
export const op_linearQ4: i32 = linearQ4.index;
export const op_linearQ4_1: i32 = linearQ4_1.index;
export const op_linearQ8: i32 = linearQ8.index;
export const op_linearWeight: i32 = linearWeight.index;
export const op_mapColumns: i32 = mapColumns.index;
export const op_matrixProduct: i32 = matrixProduct.index;
export const op_mean: i32 = mean.index;
export const op_meanInput: i32 = meanInput.index;
export const op_meanSquares: i32 = meanSquares.index;
export const op_meanSquaresInput: i32 = meanSquaresInput.index;
export const op_multiply: i32 = multiply.index;
export const op_muonMomentum: i32 = muonMomentum.index;
export const op_muonStep: i32 = muonStep.index;
export const op_normalize: i32 = normalize.index;
export const op_quantizeSigned: i32 = quantizeSigned.index;
export const op_quantizeSplit: i32 = quantizeSplit.index;
export const op_read: i32 = read.index;
export const op_relu: i32 = relu.index;
export const op_reluInput: i32 = reluInput.index;
export const op_rmsNorm: i32 = rmsNorm.index;
export const op_rmsNormInput: i32 = rmsNormInput.index;
export const op_rmsNormWeight: i32 = rmsNormWeight.index;
export const op_rope: i32 = rope.index;
export const op_scale: i32 = scale.index;
export const op_softplus: i32 = softplus.index;
export const op_softplusInput: i32 = softplusInput.index;
export const op_squares: i32 = squares.index;
export const op_sumRows: i32 = sumRows.index;
export const op_swiglu: i32 = swiglu.index;
export const op_swigluGate: i32 = swigluGate.index;
export const op_tail: i32 = tail.index;
export const op_tailInput: i32 = tailInput.index;
