// Writes the seeds of the fuzz targets into FOLDER/model and FOLDER/read; with --models the hostile models themselves
// into FOLDER. Usage: tally_fuzz_corpus FOLDER [--models]
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tests/fuzz/hostile_models.h"
#include "tests/fuzz/seeds.h"

namespace {

void write(const std::filesystem::path& file, const std::string& prefix, const std::string& bytes) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << prefix << bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: tally_fuzz_corpus FOLDER [--models]\n";
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  if (argc > 2 && std::string(argv[2]) == "--models") {
    for (const tally::test::HostileModel& model : tally::test::hostile_models())
      write(folder / (model.name + ".onnx"), "", model.bytes);
    return 0;
  }
  const std::vector<tally::test::Seed> seeds = tally::test::seed_models();
  for (const tally::test::Seed& seed : seeds) {
    write(folder / "model" / (seed.name + ".onnx"), "", seed.bytes);
    write(folder / "read" / seed.name, std::string(1, '\0'), seed.bytes);
  }
  std::cout << seeds.size() << " seeds\n";
  return 0;
}
