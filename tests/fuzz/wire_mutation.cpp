#include "tests/fuzz/wire_mutation.h"

#include <optional>
#include <vector>

#include "tests/engine/onnx_message.h"

namespace tally::test {

namespace {

enum class Kind { model, graph, node, attribute, tensor, sparse, value, type, tensor_type, shape, dim, function, pair };

/// The message that a length-delimited field of another holds; nothing for text, bytes and packed lists.
std::optional<Kind> kind_of(Kind message, uint32_t field) {
  struct Row {
    Kind message;
    uint32_t field;
    Kind inner;
  };
  static constexpr Row kRows[] = {
      {Kind::model, 7, Kind::graph},         {Kind::model, 8, Kind::pair},        {Kind::model, 25, Kind::function},
      {Kind::graph, 1, Kind::node},          {Kind::graph, 5, Kind::tensor},      {Kind::graph, 11, Kind::value},
      {Kind::graph, 12, Kind::value},        {Kind::graph, 13, Kind::value},      {Kind::graph, 15, Kind::sparse},
      {Kind::node, 5, Kind::attribute},      {Kind::node, 9, Kind::pair},         {Kind::attribute, 5, Kind::tensor},
      {Kind::attribute, 6, Kind::graph},     {Kind::attribute, 10, Kind::tensor}, {Kind::attribute, 11, Kind::graph},
      {Kind::attribute, 14, Kind::type},     {Kind::attribute, 22, Kind::sparse}, {Kind::tensor, 13, Kind::pair},
      {Kind::sparse, 1, Kind::tensor},       {Kind::sparse, 2, Kind::tensor},     {Kind::value, 2, Kind::type},
      {Kind::type, 1, Kind::tensor_type},    {Kind::type, 8, Kind::tensor_type},  {Kind::type, 4, Kind::value},
      {Kind::tensor_type, 2, Kind::shape},   {Kind::shape, 1, Kind::dim},         {Kind::function, 7, Kind::node},
      {Kind::function, 11, Kind::attribute}, {Kind::function, 9, Kind::pair},
  };
  for (const Row& row : kRows)
    if (row.message == message && row.field == field) return row.inner;
  return std::nullopt;
}

struct Field {
  uint32_t number = 0, wire_type = 0;
  uint64_t value = 0;         ///< of a varint
  std::string bytes;          ///< of all other wire types, where they are no message
  std::optional<Kind> kind;   ///< of a message
  std::vector<Field> fields;  ///< of a message
};

bool read_varint(std::string_view& rest, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(rest.front());
    rest.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

/// Nothing where the bytes are no message.
std::optional<std::vector<Field>> parse(std::string_view bytes, Kind message, int depth) {
  constexpr int kMaxDepth = 24;
  if (depth > kMaxDepth) return std::nullopt;
  std::vector<Field> fields;
  while (!bytes.empty()) {
    Field field;
    uint64_t tag = 0, length = 0;
    if (!read_varint(bytes, tag)) return std::nullopt;
    field.number = static_cast<uint32_t>(tag >> 3);
    field.wire_type = tag & 7;
    switch (field.wire_type) {
      case 0:
        if (!read_varint(bytes, field.value)) return std::nullopt;
        break;
      case 1:
        length = 8;
        break;
      case 2:
        if (!read_varint(bytes, length)) return std::nullopt;
        break;
      case 5:
        length = 4;
        break;
      default:
        return std::nullopt;
    }
    if (length > bytes.size()) return std::nullopt;
    field.bytes = bytes.substr(0, length);
    bytes.remove_prefix(length);
    if (const std::optional<Kind> kind = kind_of(message, field.number); kind && field.wire_type == 2)
      if (auto inner = parse(field.bytes, *kind, depth + 1)) {
        field.kind = kind;
        field.fields = *std::move(inner);
        field.bytes.clear();
      }
    fields.push_back(std::move(field));
  }
  return fields;
}

std::string write(const std::vector<Field>& fields) {
  Message message;
  for (const Field& field : fields) {
    if (field.wire_type == 0)
      message.varint(field.number, static_cast<int64_t>(field.value));
    else if (field.wire_type == 2)
      message.blob(field.number, field.kind ? write(field.fields) : field.bytes);
    else
      message.tag(field.number, field.wire_type).raw(field.bytes.data(), field.bytes.size());
  }
  return message.bytes;
}

/// A field and the list that it stands in.
struct Place {
  std::vector<Field>* list;
  size_t index;
  Field& field() const { return (*list)[index]; }
};

void collect(std::vector<Field>& fields, std::vector<Place>& places) {
  for (size_t i = 0; i < fields.size(); ++i) {
    places.push_back({&fields, i});
    collect(fields[i].fields, places);
  }
}

void mutate_bytes(std::string& bytes, Dice& dice) {
  switch (dice.below(5)) {
    case 0:
      bytes.insert(dice.below(bytes.size() + 1), 1 + dice.below(8), static_cast<char>(dice.below(256)));
      break;
    case 1:
      if (!bytes.empty()) bytes.erase(dice.below(bytes.size()), 1 + dice.below(8));
      break;
    case 2:
      bytes = Message().put(static_cast<uint64_t>(dice.integer())).put(static_cast<uint64_t>(dice.extent())).bytes;
      break;
    default:
      if (!bytes.empty()) dice.of(bytes) = static_cast<char>(dice.below(256));
      break;
  }
}

/// Lets a tensor lie in another file, or claims it.
void make_external(Field& tensor, Dice& dice) {
  static constexpr const char* kPlaces[] = {"w.bin", "w.bin", "w.bin", "no_such_file", "../w.bin", "/w.bin", "", "."};
  Message m = external_tensor("w", {}, dice.of(kPlaces), dice.one_in(2) ? std::to_string(dice.integer()) : "",
                              dice.one_in(2) ? std::to_string(dice.below(64) * 4) : "");
  if (auto fields = parse(m.bytes, Kind::tensor, 0))
    for (Field& field : *fields)
      if (field.number >= 13) tensor.fields.push_back(std::move(field));
}

void mutate_content(Field& field, const std::vector<Place>& places, Dice& dice) {
  if (field.kind) {
    if (*field.kind == Kind::tensor && dice.one_in(2))
      make_external(field, dice);
    else if (!field.fields.empty())
      field.fields.erase(field.fields.begin() + static_cast<std::ptrdiff_t>(dice.below(field.fields.size())));
  } else if (field.wire_type == 0) {
    field.value = static_cast<uint64_t>(dice.integer());
  } else if (const Field& other = places[dice.below(places.size())].field();
             other.wire_type == field.wire_type && !other.kind && dice.one_in(2)) {
    field.bytes = other.bytes;
  } else {
    mutate_bytes(field.bytes, dice);
    if (field.wire_type == 1) field.bytes.resize(8);
    if (field.wire_type == 5) field.bytes.resize(4);
  }
}

/// The field becomes one of another wire type with as little content.
void confuse(Field& field, Dice& dice) {
  static constexpr uint32_t kTypes[] = {0, 1, 2, 5};
  Field other;
  other.number = dice.one_in(4) ? static_cast<uint32_t>(1 + dice.below(30)) : field.number;
  other.wire_type = dice.of(kTypes);
  other.value = static_cast<uint64_t>(dice.integer());
  other.bytes = other.wire_type == 1 ? std::string(8, 'x') : other.wire_type == 5 ? std::string(4, 'x') : "x";
  field = std::move(other);
}

void mutate_once(std::vector<Field>& model, Dice& dice) {
  std::vector<Place> places;
  collect(model, places);
  if (places.empty()) return;
  const Place place = places[dice.below(places.size())];
  const auto at = place.list->begin() + static_cast<std::ptrdiff_t>(place.index);
  switch (dice.below(10)) {
    case 0:
      place.list->erase(at);
      break;
    case 1:
      place.list->insert(at, Field(*at));
      break;
    case 2:
      confuse(*at, dice);
      break;
    case 3:
    case 4: {  // another field of the same kind in its stead, or besides
      std::vector<const Field*> like;
      for (const Place& other : places)
        if (other.field().number == at->number && other.field().kind == at->kind) like.push_back(&other.field());
      const Field copy = *like[dice.below(like.size())];
      if (dice.one_in(2))
        *at = copy;
      else
        place.list->insert(at, copy);
      break;
    }
    default:
      mutate_content(*at, places, dice);
      break;
  }
}

}  // namespace

std::string mutate_wire(std::string_view model, Dice& dice) {
  auto fields = parse(model, Kind::model, 0);
  std::string bytes(model);
  if (!fields) {
    mutate_bytes(bytes, dice);
    return bytes;
  }
  for (size_t edits = 1 + dice.below(3); edits > 0; --edits) mutate_once(*fields, dice);
  return write(*fields);
}

}  // namespace tally::test
