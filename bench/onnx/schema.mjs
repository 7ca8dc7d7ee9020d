/** The part of ONNX's file format (onnx.proto, IR version 10) that a decoder needs, and its encoding. */
import protobuf from "protobufjs";

const { root } = protobuf.parse(`
  syntax = "proto2";
  message AttributeProto {
    optional string name = 1;
    optional float f = 2;
    optional int64 i = 3;
    optional int32 type = 20;
  }
  message NodeProto {
    repeated string input = 1;
    repeated string output = 2;
    optional string name = 3;
    optional string op_type = 4;
    repeated AttributeProto attribute = 5;
    optional string domain = 7;
  }
  message TensorProto {
    repeated int64 dims = 1;
    optional int32 data_type = 2;
    optional string name = 8;
    optional bytes raw_data = 9;
  }
  message ValueInfoProto {
    message Dimension { optional int64 dim_value = 1; optional string dim_param = 2; }
    message Shape { repeated Dimension dim = 1; }
    message Tensor { optional int32 elem_type = 1; optional Shape shape = 2; }
    message Type { optional Tensor tensor_type = 1; }
    optional string name = 1;
    optional Type type = 2;
  }
  message GraphProto {
    repeated NodeProto node = 1;
    optional string name = 2;
    repeated TensorProto initializer = 5;
    repeated ValueInfoProto input = 11;
    repeated ValueInfoProto output = 12;
  }
  message OperatorSetIdProto { optional string domain = 1; optional int64 version = 2; }
  message ModelProto {
    optional int64 ir_version = 1;
    optional string producer_name = 2;
    optional GraphProto graph = 7;
    repeated OperatorSetIdProto opset_import = 8;
  }`);

/** Numbers of the element types, in tensors and in the attribute of Cast. */
export const dataTypes = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7 };

/** A graph under construction: nodes, initializers, inputs and outputs in the order of the calls. */
export class GraphBuilder {
  #node = [];
  #initializer = [];
  #input = [];
  #output = [];

  /**
   * @param {string} opType of ONNX, or with its domain before a colon: "com.microsoft:MatMulNBits"
   * @param {readonly string[]} input "" where an optional one is left out
   * @param {readonly string[]} output
   * @param {Readonly<Record<string, number>>} ints attributes that are whole numbers
   * @param {Readonly<Record<string, number>>} floats attributes that are not
   * @returns {string} the first output
   */
  node(opType, input, output, ints = {}, floats = {}) {
    const [domain, name] = opType.includes(":") ? opType.split(":") : ["", opType];
    const attribute = [
      ...Object.entries(ints).map(([key, i]) => ({ name: key, i, type: 2 })),
      ...Object.entries(floats).map(([key, f]) => ({ name: key, f, type: 1 })),
    ];
    this.#node.push({ input, output, name: `${name} ${output[0]}`, opType: name, attribute, domain });
    return output[0];
  }

  /** A constant; `data` is a typed array or bytes. */
  constant(name, type, dims, data) {
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#initializer.push({ name, dims, dataType: dataTypes[type], rawData });
    return name;
  }

  /** @param {readonly (number | string)[]} dims a string names a size known only at run time */
  input(name, type, dims) {
    this.#input.push(valueInfo(name, type, dims));
    return name;
  }

  output(name, type, dims) {
    this.#output.push(valueInfo(name, type, dims));
    return name;
  }

  /** The bytes of the file. */
  encode() {
    const graph = {
      name: "decoder",
      node: this.#node,
      initializer: this.#initializer,
      input: this.#input,
      output: this.#output,
    };
    const opsetImport = [
      { domain: "", version: 21 },
      { domain: "com.microsoft", version: 1 },
    ];
    const message = { irVersion: 10, producerName: "refrain-bench", graph, opsetImport };
    return root.lookupType("ModelProto").encode(message).finish();
  }
}

function valueInfo(name, type, dims) {
  const dim = dims.map((size) => (typeof size === "string" ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType: dataTypes[type], shape: { dim } } } };
}
