#pragma once
// Examples of operators: graphs of one node, in any element type, by which a layer is asked what it takes, what runs it
// and what it costs.
#include <string_view>
#include <vector>

#include "tally/engine/graph.h"

namespace tally {

/// The examples that are tried of an operator, each as text; layers/examples.inc has those that need more than one, two
/// or three operands of one shape.
///
///   T[2,4] C[4,3]        operands of the swept type, input and constant; a shape may be empty
///   i64[2] i64[2]=1,-1   of a type of their own; a constant where values follow
///   -                    an absent operand
///   (T[2,4])             a value of the graph that only a body reads
///   axis=1 pads=0,1,     attributes: an integer, or a list where a comma is in it; a float has a point; else a string
///   to=T value=C[1]=0    ONNX's number of the swept type; a tensor
///   body=@loop           a body (the words of body_of)
///   ->3                  outputs, where it is not one
std::vector<std::string_view> operator_examples(std::string_view op);

/// False where they are the usual ones, of which the first that the layer takes serves.
bool has_own_examples(std::string_view op);

/// False where no operand or attribute of an example has the swept type: it speaks for float32 alone.
bool sweeps_types(std::string_view example);

/// The graph of an example. Throws Error(internal) where the text has no meaning.
Graph example_graph(std::string_view op, int opset, std::string_view example, DType swept);

}  // namespace tally
