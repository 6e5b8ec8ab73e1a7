// Writes the seeds of read_fuzz, and with --models the hostile models themselves. Usage: corpus FOLDER [--models]
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tests/fuzz/hostile_models.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: corpus FOLDER [--models]\n";
    return 2;
  }
  const bool models = argc > 2 && std::string(argv[2]) == "--models";
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  auto all = tally::test::hostile_models();
  all.push_back({"sound", tally::test::sound_model(), "", ""});
  for (const tally::test::HostileModel& model : all) {
    constexpr size_t kSeedBytes = 65536;
    if (!models && model.bytes.size() > kSeedBytes) continue;
    std::ofstream out(folder / (model.name + (models ? ".onnx" : "")), std::ios::binary);
    if (!models) out.put('\0');
    out.write(model.bytes.data(), static_cast<std::streamsize>(model.bytes.size()));
  }
  return 0;
}
