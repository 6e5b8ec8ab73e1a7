#include "tools/machine/fit.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tally/engine/profile.h"
#include "tools/machine/prediction.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

constexpr int kTerms = 3;
using Vector = std::array<double, kTerms>;
using Matrix = std::array<Vector, kTerms>;

/// A·x = b over the terms of `set` (bit t: term t), zero elsewhere; false where A has no inverse there. Gauss with
/// pivots.
bool solve(const Matrix& matrix, const Vector& right, unsigned set, Vector& x) {
  std::vector<size_t> terms;
  for (size_t t = 0; t < kTerms; ++t)
    if (set >> t & 1) terms.push_back(t);
  const size_t n = terms.size();
  std::vector<std::vector<double>> a(n, std::vector<double>(n + 1));
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) a[i][j] = matrix[terms[i]][terms[j]];
    a[i][n] = right[terms[i]];
  }
  for (size_t i = 0; i < n; ++i) {
    size_t pivot = i;
    for (size_t r = i; r < n; ++r)
      if (std::fabs(a[r][i]) > std::fabs(a[pivot][i])) pivot = r;
    std::swap(a[i], a[pivot]);
    if (std::fabs(a[i][i]) < 1e-12) return false;
    for (size_t r = 0; r < n; ++r) {
      if (r == i) continue;
      const double factor = a[r][i] / a[i][i];
      for (size_t c = i; c <= n; ++c) a[r][c] -= factor * a[i][c];
    }
  }
  x.fill(0);
  for (size_t i = 0; i < n; ++i) x[terms[i]] = a[i][n] / a[i][i];
  return true;
}

Vector terms_of(const FitRow& r) { return {static_cast<double>(r.row.macs), static_cast<double>(r.row.bytes()), 1.0}; }

double time_of(const Correction& c, const FitRow& r) {
  const Vector t = terms_of(r);
  return c.ns_per_mac * t[0] + c.ns_per_byte * t[1] + c.ns_per_call;
}

int64_t whole(const ordered_json& object, const char* key, const std::string& who) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer())
    fail(who, std::string("no integer '") + key + "'", "must be a document tally.profile/1", ErrorCode::model);
  const int64_t value = found->get<int64_t>();
  if (value < 0 || value > (int64_t{1} << 60))
    fail(who, text("'", key, "' is ", value), "must be 0 to 2^60", ErrorCode::model);
  return value;
}

const ordered_json& inside(const ordered_json& object, const char* key, const std::string& who) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end())
    fail(who, std::string("no '") + key + "'", "must be a document tally.profile/1", ErrorCode::model);
  return *found;
}

/// What absorbed layers no longer move: the gap's term, negative.
int64_t fused_away(const ordered_json& layer, const char* key) {
  const ordered_json* terms = &layer;
  for (const char* step : {"gap", key, "fusion"}) {
    const auto found = terms->is_object() ? terms->find(step) : terms->end();
    if (!terms->is_object() || found == terms->end()) return 0;
    terms = &*found;
  }
  return terms->is_number_integer() ? std::min<int64_t>(terms->get<int64_t>(), 0) : 0;
}

std::vector<FitRow> all_rows(const std::vector<FitModel>& models, size_t without = SIZE_MAX) {
  std::vector<FitRow> rows;
  for (size_t m = 0; m < models.size(); ++m)
    if (m != without) rows.insert(rows.end(), models[m].rows.begin(), models[m].rows.end());
  return rows;
}

double error_of(double predicted, double measured) { return measured > 0 ? std::fabs(predicted / measured - 1) : 0; }

}  // namespace

FitModel fit_rows(const ordered_json& document, const std::string& who) {
  const ordered_json& schema = inside(document, "schema", who);
  if (schema != "tally.profile/1")
    fail(who + ": schema", schema.dump(-1, ' ', true, ordered_json::error_handler_t::replace),
         "must be tally.profile/1", ErrorCode::model);
  FitModel model;
  const auto word = [](const ordered_json& value) { return value.is_string() ? value.get<std::string>() : ""; };
  model.name = word(inside(inside(document, "model", who), "name", who));
  model.isa = word(inside(inside(document, "machine", who), "isa", who));
  model.threads = static_cast<int>(std::clamp<int64_t>(whole(document, "threads", who), 1, 65536));
  for (const ordered_json& layer : inside(document, "layers", who)) {
    const ordered_json& ideal = inside(layer, "ideal", who);
    FitRow r;
    r.row.name = word(inside(layer, "name", who));
    r.row.op = word(inside(layer, "op", who));
    r.row.macs = whole(ideal, "macs", who);
    r.row.bytes_weights = whole(ideal, "bytes_weights", who);
    r.row.bytes_read = std::max<int64_t>(whole(ideal, "bytes_read", who) + fused_away(layer, "bytes_loaded"), 0);
    r.row.bytes_written = std::max<int64_t>(whole(ideal, "bytes_written", who) + fused_away(layer, "bytes_stored"), 0);
    const ordered_json& ns = inside(inside(inside(layer, "measured", who), "ns", who), "median", who);
    r.ns = ns.is_number() ? ns.get<double>() : 0;
    const ordered_json& nodes = inside(layer, "nodes", who);
    const bool of_nodes = nodes.is_array() && !nodes.empty();
    if (of_nodes && r.ns > 0 && r.ns < 1e15 && (r.row.macs > 0 || r.row.bytes() > 0)) model.rows.push_back(r);
  }
  return model;
}

Correction least_squares(const std::vector<FitRow>& rows) {
  // Terms are scaled to 1 at most, or MACs in millions would drown the call.
  Vector scale{};
  for (const FitRow& r : rows)
    for (size_t t = 0; t < kTerms; ++t) scale[t] = std::max(scale[t], terms_of(r)[t] / r.ns);
  Matrix normal{};
  Vector right{};
  for (const FitRow& r : rows) {
    Vector x = terms_of(r);
    for (size_t t = 0; t < kTerms; ++t) x[t] = scale[t] > 0 ? x[t] / r.ns / scale[t] : 0;
    for (size_t i = 0; i < kTerms; ++i) {
      right[i] += x[i];
      for (size_t j = 0; j < kTerms; ++j) normal[i][j] += x[i] * x[j];
    }
  }
  Vector best{};
  double best_loss = 0;  // less Σ 1, which all have
  for (unsigned set = 1; set < 1u << kTerms; ++set) {
    Vector x;
    if (!solve(normal, right, set, x) || std::any_of(x.begin(), x.end(), [](double v) { return !(v >= 0); })) continue;
    double loss = 0;
    for (size_t i = 0; i < kTerms; ++i) {
      loss -= 2 * x[i] * right[i];
      for (size_t j = 0; j < kTerms; ++j) loss += x[i] * normal[i][j] * x[j];
    }
    if (loss < best_loss) {
      best_loss = loss;
      best = x;
    }
  }
  for (size_t t = 0; t < kTerms; ++t) best[t] = scale[t] > 0 ? best[t] / scale[t] : 0;
  return {best[0], best[1], best[2], static_cast<int>(rows.size())};
}

Fit fit_models(const std::vector<FitModel>& models, int least_rows) {
  Fit fit;
  for (const FitModel& model : models) {
    if (model.isa != models.front().isa || model.threads != models.front().threads)
      fail("profile of '" + model.name + "'", text(model.isa, " on ", model.threads, " threads"),
           text("must be ", models.front().isa, " on ", models.front().threads, ", as the first"), ErrorCode::model);
    fit.models.push_back(model.name);
  }
  const std::vector<FitRow> rows = all_rows(models);
  if (rows.empty()) fail("profiles", "no layer with a time", "must have one at least", ErrorCode::model);
  fit.isa = models.front().isa;
  fit.threads = models.front().threads;
  fit.overall = least_squares(rows);
  std::map<std::string, std::vector<FitRow>> kinds;
  for (const FitRow& r : rows) kinds[r.row.op].push_back(r);
  for (const auto& [op, of_kind] : kinds)
    if (static_cast<int>(of_kind.size()) >= least_rows) fit.kinds[op] = least_squares(of_kind);
  return fit;
}

HeldOut held_out(const std::vector<FitModel>& models, const MachineFile& machine, int least_rows) {
  std::vector<FitModel> parts = models;
  HeldOut result;
  result.by_model = models.size() > 1;
  if (!result.by_model && !models.empty()) {
    constexpr size_t kParts = 5;
    parts.assign(std::min(kParts, models[0].rows.size()), {"", models[0].isa, models[0].threads, {}});
    for (size_t r = 0; r < models[0].rows.size(); ++r) parts[r % parts.size()].rows.push_back(models[0].rows[r]);
    for (size_t i = 0; i < parts.size(); ++i)
      parts[i].name = text(models[0].name, ", part ", i + 1, " of ", parts.size());
  }
  MachineFile uncorrected = machine;
  uncorrected.fit.reset();
  std::vector<double> layer_errors, uncorrected_errors;
  for (size_t m = 0; m < parts.size(); ++m) {
    std::vector<FitModel> others;
    for (size_t o = 0; o < parts.size(); ++o)
      if (o != m) others.push_back(parts[o]);
    if (parts[m].rows.empty() || all_rows(others).empty()) continue;
    const Fit fit = fit_models(others, least_rows);
    std::vector<FusedRow> rows;
    for (const FitRow& r : parts[m].rows) rows.push_back(r.row);
    const Prediction before = predict(rows, 0, uncorrected, parts[m].threads);
    HeldOut::Total total{parts[m].name};
    for (size_t r = 0; r < rows.size(); ++r) {
      const double ns = parts[m].rows[r].ns, predicted = time_of(fit.of(rows[r].op), parts[m].rows[r]);
      total.measured_ns += ns;
      total.predicted_ns += predicted;
      total.uncorrected_ns += before.rows[r].ns;
      layer_errors.push_back(error_of(predicted, ns));
      uncorrected_errors.push_back(error_of(before.rows[r].ns, ns));
    }
    result.totals.push_back(std::move(total));
  }
  result.layer_error = distribution(layer_errors).median;
  result.uncorrected_layer_error = distribution(uncorrected_errors).median;
  for (const HeldOut::Total& total : result.totals) {
    const auto count = static_cast<double>(result.totals.size());
    result.total_error += error_of(total.predicted_ns, total.measured_ns) / count;
    result.uncorrected_total_error += error_of(total.uncorrected_ns, total.measured_ns) / count;
  }
  return result;
}

ordered_json to_json(const HeldOut& h) {
  ordered_json totals = ordered_json::array();
  for (const HeldOut::Total& total : h.totals)
    totals.push_back({{"name", total.name},
                      {"measured_ns", total.measured_ns},
                      {"predicted_ns", total.predicted_ns},
                      {"uncorrected_ns", total.uncorrected_ns}});
  return {{"method", h.by_model ? "leave one model out" : "leave a fifth of the layers out"},
          {"totals", std::move(totals)},
          {"layer_error_median", h.layer_error},
          {"total_error_mean", h.total_error},
          {"uncorrected_layer_error_median", h.uncorrected_layer_error},
          {"uncorrected_total_error_mean", h.uncorrected_total_error}};
}

}  // namespace tally::tools
