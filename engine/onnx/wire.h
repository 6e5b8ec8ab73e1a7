#pragma once
// Reading protobuf fields of untrusted bytes. A message is walked with
//
//   while (m.next()) switch (m.tag_and_type()) {
//     case varint(kIrVersion): …
//     default: skip_unknown(m, known({kIrVersion, …}), "ModelProto");
//   }
//
// so that a field of the wrong wire type never reaches a getter that would misread it.
#include <initializer_list>
#include <protozero/pbf_reader.hpp>
#include <string>

#include "tally/engine/error.h"

namespace tally::onnx {

using protozero::data_view;
using Field = protozero::pbf_tag_type;

/// protozero's reader with every length checked before it is used. protozero 1.7 keeps the low 32 bits of a length and
/// compares them as ptrdiff_t: where that has 32 bits, a length from 2^31 on is taken for a negative one, and read past
/// the end of the buffer.
class FieldReader : private protozero::pbf_reader {
 public:
  explicit FieldReader(data_view message) : pbf_reader(message) {}

  bool next() {
    if (!pbf_reader::next()) return false;
    if (wire_type() == protozero::pbf_wire_type::length_delimited) check_length();
    return true;
  }
  FieldReader get_message() { return FieldReader(get_view()); }

  using pbf_reader::get_double;
  using pbf_reader::get_float;
  using pbf_reader::get_int64;
  using pbf_reader::get_packed_float;
  using pbf_reader::get_packed_int64;
  using pbf_reader::get_view;
  using pbf_reader::skip;
  using pbf_reader::tag;  ///< valid until the field's value is read
  using pbf_reader::tag_and_type;
  using pbf_reader::wire_type;

 private:
  void check_length() const {
    const data_view rest = data();
    const char *at = rest.data(), *end = rest.data() + rest.size();
    const uint64_t length = protozero::decode_varint(&at, end);
    if (length > static_cast<uint64_t>(end - at)) throw protozero::end_of_buffer_exception{};
  }
};

constexpr uint32_t varint(Field field) { return protozero::tag_and_type(field, protozero::pbf_wire_type::varint); }
constexpr uint32_t fixed32(Field field) { return protozero::tag_and_type(field, protozero::pbf_wire_type::fixed32); }
constexpr uint32_t fixed64(Field field) { return protozero::tag_and_type(field, protozero::pbf_wire_type::fixed64); }
/// Strings, bytes, messages and packed lists.
constexpr uint32_t bytes(Field field) {
  return protozero::tag_and_type(field, protozero::pbf_wire_type::length_delimited);
}

/// The fields that a reader of a message understands, as a set of bits.
constexpr uint64_t known(std::initializer_list<Field> fields) {
  uint64_t set = 0;
  for (Field field : fields) set |= uint64_t{1} << field;
  return set;
}

/// Skips a field that the reader has no use for. A field that it does know has come with another wire type: an error.
inline void skip_unknown(FieldReader& m, uint64_t known_fields, const char* message) {
  if (m.tag() < 64 && (known_fields >> m.tag() & 1) != 0)
    fail("", text("field ", m.tag(), " of a ", message, " has wire type ", static_cast<int>(m.wire_type())),
         "must have the type that ONNX defines");
  m.skip();
}

inline std::string to_text(data_view view) { return {view.data(), view.size()}; }

/// Runs f; bytes that are no protobuf, and errors that name no node, become an Error that names `who()`.
template <class Who, class F>
auto at(Who who, F f) {
  try {
    return f();
  } catch (const protozero::exception& e) {
    fail(who(), std::string("malformed bytes (") + e.what() + ")", "must be valid protobuf");
  } catch (const Error& e) {
    if (!e.node.empty()) throw;
    throw Error(e.code, who(), e.found, e.required);
  }
}

}  // namespace tally::onnx
