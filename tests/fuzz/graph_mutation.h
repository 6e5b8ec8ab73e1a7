#pragma once
#include <map>
#include <string>
#include <vector>

#include "tally/engine/graph.h"
#include "tests/fuzz/dice.h"

namespace tally::test {

/// A node seen in some model, with the initialisers that it reads: what mutations insert elsewhere.
struct Specimen {
  Node node;
  std::map<std::string, Tensor> initializers;
};

/// Nodes of the models seen so far, a few an operator.
class Specimens {
 public:
  void learn(const Graph& graph);
  const Specimen* any(Dice& dice) const;
  const Specimen* of_operator(const std::string& op, Dice& dice) const;

 private:
  std::map<std::string, std::vector<Specimen>> by_operator_;
  size_t learnt_ = 0;
};

/// Changes operators, attributes, edges, shapes, element types, initialisers, opsets and bodies of a graph, a few at
/// once. The result need not be sound, or even sorted.
void mutate_graph(Graph& graph, const Specimens& specimens, Dice& dice);

/// Appends the nodes of `other`, which read values of `graph` in place of its inputs.
void splice_graph(Graph& graph, const Graph& other, Dice& dice);

}  // namespace tally::test
