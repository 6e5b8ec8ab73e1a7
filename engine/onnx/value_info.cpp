#include "tally/engine/onnx/format.h"
#include "tally/engine/onnx/read_graph.h"

namespace tally::onnx {
namespace {

Dim read_dim(FieldReader m) {
  Dim dim;
  while (m.next()) switch (m.tag_and_type()) {
      case varint(dim_field::value):
        dim = {m.get_int64(), ""};
        if (dim.value < 0) fail("", text("extent ", dim.value), "must be at least 0, a name, or left out");
        break;
      case bytes(dim_field::param):
        dim = {-1, to_text(m.get_view())};
        break;
      default:
        skip_unknown(m, known({dim_field::value, dim_field::param}), "Dimension");
    }
  return dim;
}

std::vector<Dim> read_shape(FieldReader m, Budget& budget) {
  std::vector<Dim> shape;
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(shape_field::dim):
        shape.push_back(read_dim(m.get_message()));
        budget.charge(sizeof(Dim) + shape.back().name.size());
        break;
      default:
        skip_unknown(m, known({shape_field::dim}), "TensorShapeProto");
    }
  return shape;
}

void read_tensor_type(FieldReader m, ValueInfo& info, Budget& budget) {
  int64_t type = 0;
  while (m.next()) switch (m.tag_and_type()) {
      case varint(tensor_type_field::elem_type):
        type = m.get_int64();
        break;
      case bytes(tensor_type_field::shape):
        info.shape = read_shape(m.get_message(), budget);
        break;
      default:
        skip_unknown(m, known({tensor_type_field::elem_type, tensor_type_field::shape}), "TypeProto.Tensor");
    }
  const auto dtype = dtype_from_onnx(type);
  if (!dtype && type != 0) fail("", text("elem_type ", type), "must be an element type of ONNX that Tally knows");
  info.dtype = dtype.value_or(DType::undefined);
}

void read_type(FieldReader m, ValueInfo& info, Budget& budget) {
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(type_field::tensor):
        read_tensor_type(m.get_message(), info, budget);
        break;
      case bytes(type_field::sequence):
        fail("", "a sequence", "must be a tensor (out of scope: sequences)");
      case bytes(type_field::map):
        fail("", "a map", "must be a tensor");
      case bytes(type_field::optional):
        fail("", "an optional", "must be a tensor (out of scope: optional values)");
      case bytes(type_field::sparse_tensor):
        fail("", "a sparse tensor", "must be a tensor");
      case bytes(type_field::opaque):
        fail("", "an opaque value", "must be a tensor");
      default:
        skip_unknown(m,
                     known({type_field::tensor, type_field::sequence, type_field::map, type_field::optional,
                            type_field::sparse_tensor, type_field::opaque}),
                     "TypeProto");
    }
}

/// A declared shape without open extents is checked at once.
void check_size(const ValueInfo& info) {
  if (!info.shape) return;
  Shape shape;
  if (info.shape->size() > kMaxRank) fail("", text("rank ", info.shape->size()), text("must be at most ", kMaxRank));
  for (const Dim& dim : *info.shape) shape.push_back(dim.value < 0 ? 1 : dim.value);
  element_count(shape, "");
}

}  // namespace

ValueInfo read_value_info(data_view message, Budget& budget) {
  ValueInfo info;
  data_view type;
  const auto who = [&] {
    return info.name.empty() ? std::string("graph input or output") : "value '" + info.name + "'";
  };
  return at(who, [&] {
    FieldReader m(message);
    while (m.next()) switch (m.tag_and_type()) {
        case bytes(value_field::name):
          info.name = to_text(m.get_view());
          break;
        case bytes(value_field::type):
          type = m.get_view();
          break;
        default:
          skip_unknown(m, known({value_field::name, value_field::type}), "ValueInfoProto");
      }
    budget.charge(sizeof(ValueInfo) + info.name.size());
    if (type.size() != 0) read_type(FieldReader(type), info, budget);
    check_size(info);
    return std::move(info);
  });
}

}  // namespace tally::onnx
