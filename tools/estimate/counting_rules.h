#pragma once
// What other counting tools count: for each tool the terms by which its number differs from the multiply-accumulates of
// an estimate. Every rule is written after the tool's own source at the version named, and its mistakes are kept.
#include <string>
#include <vector>

#include "tools/estimate/counted_node.h"

namespace tally::tools {

/// A named reason to differ.
struct CountingTerm {
  const char* key;
  const char* meaning;
  bool error;  ///< a mistake of the tool, by what it says it counts; otherwise a convention
};

/// Differences by term, in order of appearance.
class TermSums {
 public:
  struct Sum {
    const CountingTerm* term;
    int64_t value = 0;
    int64_t layers = 0;
    int64_t most = 0;
    std::string most_in;
  };

  explicit TermSums(const CountedNode* node = nullptr) : node_(node) {}
  void visit(const CountedNode& node) { node_ = &node; }
  /// Adds to the term what the tool counts at the node beyond its MACs; nothing where that is 0.
  void add(const CountingTerm& term, int64_t difference);
  const std::vector<Sum>& sums() const { return sums_; }

 private:
  const CountedNode* node_;
  std::vector<Sum> sums_;
};

struct CountingTool {
  const char* name;      ///< as --as takes it
  const char* version;   ///< whose rules these are
  const char* source;    ///< files with the rules
  const char* quantity;  ///< what the tool calls the number
  void (*rule)(const CountedNode& node, TermSums& terms);
};

void count_as_fvcore(const CountedNode& node, TermSums& terms);
void count_as_thop(const CountedNode& node, TermSums& terms);
void count_as_flopco(const CountedNode& node, TermSums& terms);
void count_as_ptflops(const CountedNode& node, TermSums& terms);
void count_as_torchinfo(const CountedNode& node, TermSums& terms);
void count_as_onnx_tool(const CountedNode& node, TermSums& terms);

}  // namespace tally::tools
