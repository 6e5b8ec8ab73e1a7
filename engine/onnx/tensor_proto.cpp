#include "tally/engine/onnx/tensor_proto.h"

#include <new>
#include <protozero/pbf_writer.hpp>

#include "tally/engine/onnx/decode_tensor.h"
#include "tally/engine/onnx/encode_tensor.h"
#include "tally/engine/onnx/files.h"
#include "tally/engine/onnx/format.h"

namespace tally {
namespace onnx {

void encode_tensor(protozero::pbf_writer out, const std::string& name, const Tensor& tensor) {
  const std::string who = "tensor '" + name + "'";
  if (!tensor.has_data() || bits_of(tensor.dtype()) == 0) fail(who, "no values", "must have them to be written");
  constexpr size_t kProtobufLimit = size_t{1} << 31;
  if (tensor.bytes() >= kProtobufLimit)
    fail(who, text(tensor.bytes(), " bytes"), "must be below 2 GiB", ErrorCode::limit);
  out.add_packed_int64(tensor_field::dims, tensor.shape().begin(), tensor.shape().end());
  out.add_int32(tensor_field::data_type, dtype_to_onnx(tensor.dtype()));
  if (!name.empty()) out.add_string(tensor_field::name, name);
  out.add_bytes(tensor_field::raw_data, static_cast<const char*>(tensor.data()), tensor.bytes());
}

}  // namespace onnx

NamedTensor read_tensor_proto(std::span<const std::byte> bytes, size_t max_bytes) {
  onnx::Reading reading{ReadOptions{.max_bytes = max_bytes}, {}};
  return onnx::at([] { return std::string("tensor"); },
                  [&] {
                    try {
                      reading.budget.charge(bytes.size());
                      return onnx::decode_tensor({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, reading);
                    } catch (const std::bad_alloc&) {
                      fail("", "out of memory while reading", "must fit this machine's memory", ErrorCode::limit);
                    }
                  });
}

NamedTensor read_tensor_proto(const std::filesystem::path& file, size_t max_bytes) {
  const std::vector<std::byte> bytes = onnx::read_file(file, max_bytes);
  try {
    return read_tensor_proto(bytes, max_bytes);
  } catch (const Error& e) {
    throw Error(e.code, file.string() + ": " + e.node, e.found, e.required);
  }
}

void write_tensor_proto(const std::filesystem::path& file, const std::string& name, const Tensor& tensor) {
  std::string bytes;
  onnx::encode_tensor(protozero::pbf_writer(bytes), name, tensor);
  onnx::write_file(file, bytes);
}

}  // namespace tally
