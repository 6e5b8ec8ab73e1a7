#include <algorithm>
#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tally/platforms/clock.h"
#include "tools/commands/commands.h"
#include "tools/input/idx.h"
#include "tools/input/image_feed.h"
#include "tools/input/sequence.h"
#include "tools/measure/profile_report.h"
#include "tools/output/document.h"
#include "tools/output/formatted.h"
#include "tools/output/machine.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

struct Options {
  std::string model, data, split = "test", predictions;
  LoadingOptions loading;
  OutputOptions output;
  std::optional<int64_t> limit;  ///< none: all images
  double scale = 255;
};

struct Score {
  IdxPair files;
  std::vector<uint8_t> labels;
  std::vector<int64_t> predicted;
  int64_t correct = 0, batch = 1;
  int64_t elapsed_ns = 0;  ///< from the first image to the last answer
  Distribution latency;    ///< of inferences (a batch each)
  double accuracy() const {
    return labels.empty() ? 0 : static_cast<double>(correct) / static_cast<double>(labels.size());
  }
  double per_second() const {
    return elapsed_ns > 0 ? 1e9 * static_cast<double>(labels.size()) / static_cast<double>(elapsed_ns) : 0;
  }
};

/// The class of each image of a batch: where its run of the first output is largest.
template <class T>
void append_classes(std::span<const T> scores, int64_t batch, std::vector<int64_t>& predicted) {
  const size_t classes = scores.size() / static_cast<size_t>(batch);
  const auto less = [](T a, T b) {
    if constexpr (std::is_same_v<T, Half>)
      return to_float(a) < to_float(b);
    else
      return a < b;
  };
  for (size_t n = 0; n < static_cast<size_t>(batch); ++n) {
    const std::span<const T> own = scores.subspan(n * classes, classes);
    predicted.push_back(std::max_element(own.begin(), own.end(), less) - own.begin());
  }
}

/// Binds the shapes where the declaration leaves them open, and checks that the first output holds scores.
Context make_eval_context(const CompiledModel& model, const ImageFeed& feed) {
  Context context(model);
  if (!context.bound()) context.feed({{feed.input(), Tensor(feed.dtype(), feed.shape())}});
  const PlanOutput& output = context.plan().outputs.at(0);
  const int64_t elements = element_count(output.type.shape);
  const std::string who = "output '" + output.name + "'";
  if (output.type.dtype != DType::f32 && output.type.dtype != DType::f16)
    fail(who, text("dtype ", name_of(output.type.dtype)), "must be float32 or float16 for eval");
  if (elements < 2 * feed.batch() || elements % feed.batch() != 0)
    fail(who, "shape " + to_string(output.type.shape),
         text("must hold the scores of classes for a batch of ", feed.batch()));
  return context;
}

/// Ticks of one inference of images first … first + batch − 1.
int64_t classify_whole(Context& context, const ImageFeed& feed, int64_t first, Score& score) {
  feed.write(context, first);
  context.reset();
  const int64_t before = ticks();
  context.run();
  const int64_t ran = ticks() - before;
  context.require_complete();
  if (context.plan().outputs[0].type.dtype == DType::f16)
    append_classes(context.output<Half>(0), feed.batch(), score.predicted);
  else
    append_classes(context.output<float>(0), feed.batch(), score.predicted);
  return ran;
}

/// The same fed row by row; the ticks of all steps.
int64_t classify_streamed(Context& context, const ImageFeed& feed, int64_t first, Score& score) {
  Sequence sequence(context, {{feed.input(), feed.tensor(first)}});
  sequence.begin();
  int64_t ran = 0;
  for (int64_t step = 0; step < sequence.steps(); ++step) {
    sequence.enter(step);
    const int64_t before = ticks();
    context.run();
    ran += ticks() - before;
    sequence.leave(step);
  }
  context.require_complete();
  const Tensor& scores = sequence.outputs()[0];
  if (scores.dtype() == DType::f16)
    append_classes(scores.values<Half>(), feed.batch(), score.predicted);
  else
    append_classes(scores.values<float>(), feed.batch(), score.predicted);
  return ran;
}

void classify(Context& context, const ImageFeed& feed, bool quiet, Score& score) {
  const auto samples = static_cast<int64_t>(score.labels.size());
  const double ns_per_tick = 1.0 / ticks_per_ns();
  const bool streamed = context.plan().timeline.has_value();
  std::vector<double> latencies;
  Progress progress(quiet);
  const int64_t begin = now_ns();
  for (int64_t first = 0; first < samples; first += feed.batch()) {
    const int64_t ran =
        streamed ? classify_streamed(context, feed, first, score) : classify_whole(context, feed, first, score);
    latencies.push_back(static_cast<double>(ran) * ns_per_tick);
    if (progress.due()) progress.show(formatted("{} / {} images", with_thousands(first), with_thousands(samples)));
  }
  score.elapsed_ns = now_ns() - begin;
  score.latency = distribution(std::move(latencies));
  score.predicted.resize(static_cast<size_t>(samples));
  for (size_t i = 0; i < score.labels.size(); ++i) score.correct += score.predicted[i] == score.labels[i] ? 1 : 0;
}

void write_predictions(const Score& score, const std::string& file) {
  std::string text;
  for (const int64_t predicted : score.predicted) text += formatted("{}\n", predicted);
  write_data(text, file);
}

Report eval_report(const LoadedModel& loaded, const Plan& plan, const Score& score, const Options& options) {
  Report report;
  const auto samples = static_cast<int64_t>(score.labels.size());
  report.title = formatted("{}: {} of {} correct, {:.2f} %", loaded.name, with_thousands(score.correct),
                           with_thousands(samples), 100 * score.accuracy());
  report.facts = {
      loaded.file.string(),
      formatted("{} ({} split) · pixels ÷ {:g}", score.files.images.string(), options.split, options.scale),
      formatted("{} · {} · {} thread{}", cpu_name(), name_of(plan.isa), plan.threads, plan.threads == 1 ? "" : "s")};
  Table table;
  table.columns = {{"correct", "correct", Unit::figure},
                   {"samples", "samples", Unit::figure},
                   {.key = "accuracy", .title = "accuracy", .unit = Unit::share, .decimals = 2},
                   {"throughput_per_s", "images/s", Unit::count},
                   {"ns_median", "median", Unit::ns, "latency"},
                   {"ns_p90", "p90", Unit::ns, "latency"},
                   {"ns_p99", "p99", Unit::ns, "latency"}};
  table.rows = {{score.correct, samples, score.accuracy(), score.per_second(), score.latency.median, score.latency.p90,
                 score.latency.p99}};
  report.parts = {{"", std::move(table)}};
  report.notes = {
      formatted("Latency: timer ({}), of inferences{}. Images/s: all images, from the first pixel to the last "
                "answer, scaling and "
                "padding included.",
                tick_source(), score.batch > 1 ? formatted(" of {} images each", score.batch) : "")};
  return report;
}

nlohmann::ordered_json eval_document(const LoadedModel& loaded, const Plan& plan, const Score& score,
                                     const Options& options) {
  nlohmann::ordered_json document = new_document("eval", &loaded, plan.isa);
  document["data"] = {{"images", score.files.images.string()},
                      {"labels", score.files.labels.string()},
                      {"split", options.split},
                      {"scale", options.scale}};
  document["threads"] = plan.threads;
  document["batch"] = score.batch;
  document["correct"] = score.correct;
  document["samples"] = score.labels.size();
  document["accuracy"] = score.accuracy();
  document["throughput_per_s"] = score.per_second();
  document["latency_ns"] = distribution_json(score.latency);
  return document;
}

int eval_command(const Options& options) {
  if (!(options.scale > 0) || !std::isfinite(options.scale))
    fail("--scale", text(options.scale), "must be above 0", ErrorCode::usage);
  if (options.limit && *options.limit < 1)
    fail("--limit", std::to_string(*options.limit), "must be at least 1", ErrorCode::usage);
  const int64_t most = options.limit.value_or(-1);
  const LoadOptions load = options.loading.parsed();
  Score score;
  score.files = find_idx_pair(options.data, options.split);
  const IdxImages images = read_idx_images(score.files.images, most, load.max_memory);
  score.labels = read_idx_labels(score.files.labels, most, load.max_memory);
  if (static_cast<int64_t>(score.labels.size()) != images.count)
    fail("file '" + score.files.labels.string() + "'", text(score.labels.size(), " labels"),
         text("must be ", images.count, ", one an image"));
  const LoadedModel loaded = load_model(options.model, load);
  const ImageFeed feed(loaded.model, images, options.scale);
  score.batch = feed.batch();
  Context context = make_eval_context(loaded.model, feed);
  classify(context, feed, options.output.quiet, score);
  if (!options.predictions.empty()) write_predictions(score, options.predictions);
  write_report(
      eval_report(loaded, context.plan(), score, options),
      [&] { return eval_document(loaded, context.plan(), score, options); }, options.output);
  return 0;
}

}  // namespace

void add_eval(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("eval", "Accuracy and throughput over idx image and label files (MNIST, Fashion-MNIST)");
  add_model_argument(*command, options->model);
  command->add_option("--data", options->data, "folder with t10k-images-idx3-ubyte[.gz] and its labels")
      ->required()
      ->type_name("DIR");
  command->add_option("--split", options->split, "test or train")
      ->check(CLI::IsMember({"test", "train"}))
      ->type_name("NAME")
      ->capture_default_str();
  command->add_option("--limit", options->limit, "only the first N images")->type_name("N");
  command->add_option("--scale", options->scale, "pixels are divided by it")->type_name("S")->capture_default_str();
  command->add_option("--predictions", options->predictions, "write the class of every image, a line each")
      ->type_name("FILE");
  add_stream_option(*command, options->loading);
  add_loading_options(*command, options->loading);
  add_output_options(*command, options->output);
  command->footer(
      "Images are zero-padded evenly to the model's height and width, or fed as rows in time or flat, as its input "
      "wants.\n\n"
      "Examples:\n"
      "  tally eval lenet5.onnx --data /usr/share/datasets/fashion-mnist\n"
      "  tally eval lenet5.onnx --data mnist --limit 1000 --predictions classes.txt\n"
      "  tally eval model_dynamic_batch.onnx --data mnist --dim batch=64");
  command->callback([options, &action] { action = [options] { return eval_command(*options); }; });
}

}  // namespace tally::tools
