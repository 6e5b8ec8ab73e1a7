#pragma once
// Everything a user of the library needs:
//   auto model = tally::Model::load("lenet5.onnx", {.threads = 1});
//   tally::Context context(model);
//   std::span<float> x = context.input<float>("input");   // write in place
//   context.run();
//   std::span<const float> y = context.output<float>(0);
//   tally::Profile p = tally::profile(context);
#include "tally/engine/context.h"
#include "tally/engine/estimate.h"
#include "tally/engine/profile.h"
#include "tally/layers/builder.h"
#include "tally/layers/model.h"
