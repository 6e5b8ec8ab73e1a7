#include <charconv>
#include <fstream>
#include <memory>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tally/platforms/clock.h"
#include "tools/commands/commands.h"
#include "tools/input/inputs.h"
#include "tools/input/sampling.h"
#include "tools/measure/profile_report.h"
#include "tools/output/document.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"
#include "tools/output/report.h"

namespace tally::tools {

namespace {

struct Options {
  std::string model, tokens;
  int64_t steps = 0;
  SamplingOptions sampling;
  LoadingOptions loading;
  OutputOptions output;
};

/// What came of it. Prefill: the prompt's tokens; decode: one step a token that was drawn before.
struct Generated {
  std::vector<int64_t> prompt, tokens;
  double prefill_ns = 0;
  Distribution decode_ns;
};

/// Token numbers separated by commas or blanks, or a file of them after '@'.
std::vector<int64_t> parse_tokens(const std::string& text_or_file) {
  std::string text = text_or_file;
  if (text.starts_with('@')) {
    std::ifstream in(text.substr(1));
    if (!in) fail("--tokens", "'" + text + "'", "must name a readable file after '@'", ErrorCode::usage);
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  std::vector<int64_t> tokens;
  for (const char *at = text.data(), *end = at + text.size(); at != end;) {
    if (*at == ',' || std::isspace(static_cast<unsigned char>(*at))) {
      ++at;
      continue;
    }
    int64_t token = 0;
    const auto [stop, error] = std::from_chars(at, end, token);
    if (error != std::errc() || token < 0)
      fail("--tokens", "'" + std::string(at, end) + "'", "must be numbers >= 0 separated by commas", ErrorCode::usage);
    tokens.push_back(token);
    at = stop;
  }
  if (tokens.empty()) fail("--tokens", "no token", "must hold at least one", ErrorCode::usage);
  return tokens;
}

/// A streamed decoder: one integer input of one token a step, and a first output whose last dimension is the
/// vocabulary.
class Decoder {
 public:
  explicit Decoder(Context& context) : context_(context) {
    const Plan& plan = context.plan();
    if (plan.inputs.size() != 1)
      fail("model", text(plan.inputs.size(), " inputs"), "must have one, the tokens, to generate");
    const PlanInput& ids = plan.inputs[0];
    wide_ = ids.type.dtype == DType::i64;
    if ((!wide_ && ids.type.dtype != DType::i32) || element_count(ids.type.shape) != 1)
      fail("input '" + ids.name + "'",
           text(name_of(ids.type.dtype), " of shape ", to_string(ids.type.shape), " a step"),
           "must be one int64 or int32 token a step");
    const PlanOutput& logits = plan.outputs.at(0);
    if (logits.type.dtype != DType::f32 || logits.type.shape.empty() || logits.time_axis == kNoTimeAxis ||
        logits.type.shape.back() != element_count(logits.type.shape))
      fail("output '" + logits.name + "'", text(name_of(logits.type.dtype), " of shape ", to_string(logits.type.shape)),
           "must be float32 logits of one token a step");
  }

  /// Logits after one more token.
  std::span<const float> step(int64_t token) {
    const std::string& name = context_.plan().inputs[0].name;
    if (wide_)
      context_.input<int64_t>(name)[0] = token;
    else
      context_.input<int32_t>(name)[0] = static_cast<int32_t>(token);
    context_.step();
    context_.require_complete();
    return context_.output<float>(0);
  }

 private:
  Context& context_;
  bool wide_ = true;
};

Generated generate(Context& context, const Options& options) {
  Generated g;
  g.prompt = parse_tokens(options.tokens);
  const int64_t steps = static_cast<int64_t>(g.prompt.size()) + options.steps - 1;
  if (const Timeline& timeline = *context.plan().timeline; timeline.bounded && steps > timeline.steps)
    fail("model", text(g.prompt.size(), " tokens of prompt and ", options.steps, " to generate"),
         text("must be at most ", timeline.steps + 1, " together, as its tables and caches hold"));
  Decoder decoder(context);
  const auto vocabulary = element_count(context.plan().outputs[0].type.shape);
  for (const int64_t token : g.prompt)
    if (token >= vocabulary)
      fail("--tokens", text("token ", token), text("must be below the vocabulary's ", vocabulary));
  Sampler sampler(options.sampling);
  context.reset();
  const double ns_per_tick = 1.0 / ticks_per_ns();
  std::span<const float> logits;
  int64_t before = ticks();
  for (const int64_t token : g.prompt) logits = decoder.step(token);
  g.prefill_ns = static_cast<double>(ticks() - before) * ns_per_tick;
  std::vector<double> decode_ns;
  Progress progress(options.output.quiet);
  while (true) {
    const int64_t token = sampler.draw(logits);
    if (token < 0) fail("output '" + context.plan().outputs[0].name + "'", "no finite logit", "must hold one");
    g.tokens.push_back(token);
    if (static_cast<int64_t>(g.tokens.size()) == options.steps) break;
    before = ticks();
    logits = decoder.step(token);
    decode_ns.push_back(static_cast<double>(ticks() - before) * ns_per_tick);
    if (progress.due()) progress.show(formatted("{} / {} tokens", g.tokens.size(), options.steps));
  }
  progress.wipe();
  g.decode_ns = distribution(std::move(decode_ns));
  return g;
}

Report generate_report(const LoadedModel& loaded, const Plan& plan, const Generated& g) {
  Report report;
  report.title = formatted("{}: {} tokens", loaded.name, g.tokens.size());
  report.facts = {formatted("{} · {}", loaded.file.string(), name_of(plan.isa)), "prompt " + joined(g.prompt, " "),
                  "tokens " + joined(g.tokens, " ")};
  Table table;
  table.columns = {{"phase", "phase"},
                   {"tokens", "tokens", Unit::count},
                   {"ns", "time", Unit::ns},
                   {"ns_per_token", "a token", Unit::ns},
                   {"tokens_per_s", "tokens/s", Unit::count}};
  const auto add = [&](const char* phase, int64_t tokens, double ns) {
    const double each = tokens > 0 ? ns / static_cast<double>(tokens) : 0;
    table.rows.push_back({std::string(phase), tokens, ns, tokens > 0 ? Cell(each) : Cell(),
                          each > 0 ? Cell(static_cast<int64_t>(1e9 / each)) : Cell()});
  };
  add("prompt (prefill)", static_cast<int64_t>(g.prompt.size()), g.prefill_ns);
  add("decode", g.decode_ns.samples, g.decode_ns.mean * g.decode_ns.samples);
  report.parts = {{"", std::move(table)}};
  return report;
}

nlohmann::ordered_json generate_document(const LoadedModel& loaded, const Plan& plan, const Generated& g) {
  nlohmann::ordered_json document = new_document("generate", &loaded, plan.isa);
  document["prompt"] = g.prompt;
  document["tokens"] = g.tokens;
  document["prefill_ns"] = g.prefill_ns;
  document["decode_ns_per_token"] = distribution_json(g.decode_ns);
  document["state_bytes"] = plan.state_bytes;
  return document;
}

int generate_command(const Options& options) {
  if (!(options.sampling.temperature >= 0 && options.sampling.temperature <= 1e6))
    fail("--temperature", text(options.sampling.temperature), "must be 0 to 1e6", ErrorCode::usage);
  LoadOptions load = options.loading.parsed();
  load.stream = true;
  const LoadedModel loaded = load_model(options.model, load);
  Context context(loaded.model);
  if (!context.bound())
    fail("model", "inputs of open shape", "must be bound (--dim NAME=N) to generate", ErrorCode::usage);
  check_isa(context);
  const Generated g = generate(context, options);
  write_report(
      generate_report(loaded, context.plan(), g), [&] { return generate_document(loaded, context.plan(), g); },
      options.output);
  return 0;
}

}  // namespace

void add_generate(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("generate", "Autoregressive decoding, token by token");
  add_model_argument(*command, options->model);
  command->add_option("--tokens", options->tokens, "the prompt: token numbers, or @FILE of them")
      ->required()
      ->type_name("N,N,...");
  command->add_option("--steps", options->steps, "tokens to generate")
      ->required()
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30).description(""))
      ->type_name("N");
  command->add_option("--temperature", options->sampling.temperature, "0: greedy; 1: as the model says")
      ->type_name("T")
      ->capture_default_str();
  command->add_option("--top-k", options->sampling.top_k, "draw among the K largest logits only (0: all)")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40).description(""))
      ->type_name("K")
      ->capture_default_str();
  command->add_option("--seed", options->sampling.seed, "of the draws")
      ->type_name("N")
      ->check(refuse_seed)
      ->capture_default_str();
  add_loading_options(*command, options->loading);
  add_output_options(*command, options->output);
  command->footer(
      "The model takes token numbers [1, T] and gives logits [1, T, vocabulary]. It runs one token at a time: "
      "attention\n"
      "must be causal, its keys and values stay in the context's cache, which holds T of them.\n\n"
      "Examples:\n"
      "  tally generate decoder.onnx --tokens 1 --steps 16\n"
      "  tally generate decoder.onnx --tokens 1,403,7 --steps 20 --temperature 0.8 --top-k 40 --seed 7");
  command->callback([options, &action] { action = [options] { return generate_command(*options); }; });
}

}  // namespace tally::tools
