#include "tally/layers/einsum_shape.h"

#include <algorithm>
#include <array>
#include <map>

namespace tally {

namespace {

constexpr char kEllipsis = '.';

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// One term, "..." as a single '.'.
std::string read_term(const std::string& term, const std::string& who) {
  std::string labels;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term.compare(i, 3, "...") == 0 && labels.find(kEllipsis) == std::string::npos) {
      labels += kEllipsis;
      i += 2;
      continue;
    }
    if (!is_letter(term[i])) fail(who, text("term '", term, "'"), "must be of letters and at most one '...'");
    labels += term[i];
  }
  return labels;
}

std::string implied_output(const std::vector<std::string>& terms) {
  std::string all, output;
  for (const std::string& term : terms) all += term;
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < all.size(); ++i) {
    const bool repeated = (i > 0 && all[i - 1] == all[i]) || (i + 1 < all.size() && all[i + 1] == all[i]);
    if (all[i] != kEllipsis && !repeated) output += all[i];
  }
  return all.find(kEllipsis) == std::string::npos ? output : kEllipsis + output;
}

void check_output(const EinsumEquation& e, const std::string& who) {
  for (size_t i = 0; i < e.output.size(); ++i) {
    const char c = e.output[i];
    const auto in_term = [c](const std::string& term) { return term.find(c) != std::string::npos; };
    if (e.output.find(c) != i) fail(who, text("label '", c, "' twice in the output"), "must differ");
    if (c != kEllipsis && std::none_of(e.terms.begin(), e.terms.end(), in_term))
      fail(who, text("label '", c, "' in the output"), "must occur in a term");
  }
}

/// Numbers labels as they come, and finds how far each runs.
class Numbering {
 public:
  Numbering(EinsumShape& shape, const std::string& who) : shape_(shape), who_(who) {}

  /// The axes of a term of an operand of this rank. `whole`: axes of the longest "...".
  std::vector<int> axes(const std::string& term, size_t rank, size_t whole) {
    std::vector<int> list;
    const size_t own = rank - (term.size() - (term.find(kEllipsis) == std::string::npos ? 0 : 1));
    for (const char c : term) {
      if (c != kEllipsis) {
        list.push_back(number(c));
        continue;
      }
      for (size_t i = whole - own; i < whole; ++i) list.push_back(number(-1 - static_cast<int>(i)));
    }
    return list;
  }
  void meet(int label, int64_t extent, const std::string& operand) {
    int64_t& all = shape_.extents[static_cast<size_t>(label)];
    if (all == 1) all = extent;
    if (extent != 1 && extent != all)
      fail(who_, text("extent ", extent, " of label ", shape_.names[static_cast<size_t>(label)], " in '", operand, "'"),
           text("must be ", all, " as elsewhere"));
  }

 private:
  int number(int key) {
    const auto [it, is_new] = numbers_.try_emplace(key, static_cast<int>(shape_.extents.size()));
    if (!is_new) return it->second;
    if (it->second == kMaxEinsumLabels)
      fail(who_, text("more than ", kMaxEinsumLabels, " labels"), text("must be at most ", kMaxEinsumLabels),
           ErrorCode::limit);
    shape_.extents.push_back(1);
    shape_.names.push_back(key < 0 ? text("…", -key) : std::string(1, static_cast<char>(key)));
    return it->second;
  }

  EinsumShape& shape_;
  const std::string& who_;
  std::map<int, int> numbers_;
};

size_t letters_of(const std::string& term) {
  return term.size() - static_cast<size_t>(std::count(term.begin(), term.end(), kEllipsis));
}

/// Axes that the longest "..." stands for.
size_t ellipsis_axes(const EinsumEquation& e, Operands in, const std::string& who) {
  size_t most = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t letters = letters_of(e.terms[i]), rank = in[i].shape.size();
    const bool open = letters != e.terms[i].size();
    if (open ? rank < letters : rank != letters)
      fail(who, text("operand ", i, " of shape ", to_string(in[i].shape)),
           text("must have rank ", open ? ">= " : "", letters));
    if (open) most = std::max(most, rank - letters);
  }
  return most;
}

}  // namespace

EinsumEquation read_einsum(const std::string& equation, const std::string& who) {
  std::string plain;
  std::copy_if(equation.begin(), equation.end(), std::back_inserter(plain), [](char c) { return c != ' '; });
  EinsumEquation e;
  const size_t arrow = plain.find("->");
  const std::string left = plain.substr(0, arrow);
  for (size_t begin = 0; begin <= left.size();) {
    const size_t end = std::min(left.find(',', begin), left.size());
    e.terms.push_back(read_term(left.substr(begin, end - begin), who));
    begin = end + 1;
  }
  e.output = arrow == std::string::npos ? implied_output(e.terms) : read_term(plain.substr(arrow + 2), who);
  check_output(e, who);
  return e;
}

std::vector<int> chosen(const std::vector<int>& list, LabelSet set) {
  std::vector<int> labels;
  std::copy_if(list.begin(), list.end(), std::back_inserter(labels), [set](int l) { return set >> l & 1; });
  return labels;
}

LabelSet LabelledAxes::set() const {
  LabelSet set = 0;
  for (int label : labels) set |= LabelSet{1} << label;
  return set;
}

int64_t LabelledAxes::stride(int label) const {
  const auto at = std::find(labels.begin(), labels.end(), label);
  return at == labels.end() ? 0 : strides[static_cast<size_t>(at - labels.begin())];
}

LabelledAxes EinsumShape::dense(const std::vector<int>& labels) const {
  Shape shape;
  for (int label : labels) shape.push_back(extents[static_cast<size_t>(label)]);
  return {labels, row_major_strides(shape)};
}

EinsumShape resolve_einsum(const EinsumEquation& equation, Operands in, const std::string& who) {
  if (in.size() != equation.terms.size())
    fail(who, text(in.size(), " operands"), text("must be ", equation.terms.size(), ", as many as terms"));
  EinsumShape s;
  Numbering numbering(s, who);
  const size_t whole = ellipsis_axes(equation, in, who);
  for (size_t i = 0; i < in.size(); ++i) {
    s.axes.push_back(numbering.axes(equation.terms[i], in[i].shape.size(), whole));
    for (size_t d = 0; d < in[i].shape.size(); ++d) numbering.meet(s.axes[i][d], in[i].shape[d], in[i].name);
  }
  const size_t open = equation.output.size() - letters_of(equation.output);
  s.output_axes = numbering.axes(equation.output, letters_of(equation.output) + open * whole, whole);
  for (int label : s.output_axes) s.y.push_back(s.extents[static_cast<size_t>(label)]);
  element_count(s.y, who);

  const auto labelled = [&](const std::vector<int>& axes, const Shape& shape) {
    LabelledAxes list;
    const Shape strides = row_major_strides(shape);
    for (size_t d = 0; d < axes.size(); ++d) {
      if (shape[d] == 1) continue;
      const auto at = std::find(list.labels.begin(), list.labels.end(), axes[d]);
      if (at != list.labels.end()) {
        list.strides[static_cast<size_t>(at - list.labels.begin())] += strides[d];
        continue;
      }
      list.labels.push_back(axes[d]);
      list.strides.push_back(strides[d]);
    }
    return list;
  };
  for (size_t i = 0; i < in.size(); ++i) s.operands.push_back(labelled(s.axes[i], in[i].shape));
  s.output = labelled(s.output_axes, s.y);
  return s;
}

}  // namespace tally
