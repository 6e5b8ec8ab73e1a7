#pragma once
// What a TfIdfVectorizer node asks for, checked: its pool sorted for searching.
#include <string>
#include <vector>

#include "tally/engine/graph.h"

namespace tally {

/// TF: counts; IDF: weights where a count is not zero; TFIDF: counts times weights.
enum class TfIdfMode { tf, idf, tfidf };

/// The n-grams of one length.
struct GramLevel {
  int64_t n = 0;                     ///< elements of each
  std::vector<int64_t> grams;        ///< [count, n], in lexicographic order, each once
  std::vector<int64_t> coordinates;  ///< [count]: where in Y each is counted, in [0, outputs)
  int64_t count() const { return static_cast<int64_t>(coordinates.size()); }
};

struct TfIdfAttributes {
  TfIdfMode mode = TfIdfMode::tf;
  int64_t max_skips = 0;          ///< elements of X left out between two of an n-gram, at most
  std::vector<GramLevel> levels;  ///< lengths from min_gram_length to max_gram_length that have n-grams
  int64_t outputs = 1;            ///< extent of Y: the largest of ngram_indexes + 1
  std::vector<float> weights;     ///< of each coordinate of Y, maybe of more; empty: all 1, as always in mode TF
};

/// Reads mode, min_gram_length, max_gram_length, max_skip_count, ngram_counts, ngram_indexes, pool_int64s and weights.
/// Throws Error(model) naming the node where one is missing or they contradict each other, and on pool_strings.
TfIdfAttributes read_tfidf_attributes(const Node& node);

}  // namespace tally
