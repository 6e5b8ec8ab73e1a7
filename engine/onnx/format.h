#pragma once
// Field and type numbers of the ONNX format (onnx.proto of ONNX 1.19, IR version 12) that reader and writer use.
#include <cstdint>
#include <optional>

#include "tally/platforms/dtype.h"

namespace tally::onnx {

// clang-format off
namespace model_field {
enum : uint32_t { ir_version = 1, producer_name = 2, graph = 7, opset_import = 8, functions = 25 };
}
namespace opset_field {
enum : uint32_t { domain = 1, version = 2 };
}
namespace graph_field {
enum : uint32_t { node = 1, name = 2, initializer = 5, input = 11, output = 12, sparse_initializer = 15 };
}
namespace node_field {
enum : uint32_t { input = 1, output = 2, name = 3, op_type = 4, attribute = 5, domain = 7, overload = 8, metadata = 9 };
}
namespace function_field {
enum : uint32_t {
  name = 1, input = 4, output = 5, node = 7, opset_import = 9, domain = 10, attribute_default = 11, overload = 13,
};
}
namespace entry_field {  // StringStringEntryProto
enum : uint32_t { key = 1, value = 2 };
}
namespace attribute_field {
enum : uint32_t {
  name = 1, f = 2, i = 3, s = 4, t = 5, g = 6, floats = 7, ints = 8, strings = 9, tensors = 10, graphs = 11,
  type_proto = 14, type_protos = 15, type = 20, ref_attr_name = 21, sparse_tensor = 22, sparse_tensors = 23,
};
}
/// AttributeProto.AttributeType.
enum class AttributeType : int32_t {
  undefined, f, i, s, tensor, graph, floats, ints, strings, tensors, graphs, sparse_tensor, sparse_tensors, type_proto,
  type_protos,
};
namespace value_field {  // ValueInfoProto
enum : uint32_t { name = 1, type = 2 };
}
namespace type_field {  // TypeProto
enum : uint32_t { tensor = 1, sequence = 4, map = 5, opaque = 7, sparse_tensor = 8, optional = 9 };
}
namespace tensor_type_field {
enum : uint32_t { elem_type = 1, shape = 2 };
}
namespace shape_field {
enum : uint32_t { dim = 1 };
}
namespace dim_field {
enum : uint32_t { value = 1, param = 2 };
}
namespace tensor_field {
enum : uint32_t {
  dims = 1, data_type = 2, segment = 3, float_data = 4, int32_data = 5, string_data = 6, int64_data = 7, name = 8,
  raw_data = 9, double_data = 10, uint64_data = 11, external_data = 13, data_location = 14,
};
}
namespace sparse_tensor_field {
enum : uint32_t { values = 1, indices = 2, dims = 3 };
}
// clang-format on

/// Our element type for TensorProto.DataType `number`; nothing for numbers that ONNX or we do not have.
std::optional<DType> dtype_from_onnx(int64_t number);
/// TensorProto.DataType of an element type; 0 for undefined.
int32_t dtype_to_onnx(DType dtype);

}  // namespace tally::onnx
