// Runs a libFuzzer target without libFuzzer: each corpus file named on the
// command line (and the empty input), then seeded mutations of each, so that
// the ordinary test run exercises every parser the same way each time.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutationsPerInput = 2000;
constexpr size_t kMutatedBytesMax = 64 * 1024;  // Larger inputs replay as is.

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()),
                         input.size());
}

// One small change: flip, overwrite, insert, remove, truncate or duplicate.
std::string Mutate(std::string input, std::mt19937& random) {
  const size_t at = input.empty() ? 0 : random() % input.size();
  switch (random() % 6) {
    case 0:
      if (!input.empty()) {
        input[at] = static_cast<char>(input[at] ^ (1 << random() % 8));
      }
      break;
    case 1:
      if (!input.empty()) input[at] = static_cast<char>(random());
      break;
    case 2:
      input.insert(at, 1, static_cast<char>(random()));
      break;
    case 3:
      input.erase(at, random() % 8);
      break;
    case 4:
      input.resize(at);
      break;
    default:
      input.insert(at, input.substr(at, random() % 64));
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> corpus = {""};
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read corpus file %s\n", argv[i]);
      return 1;
    }
    corpus.emplace_back(std::istreambuf_iterator<char>(file),
                        std::istreambuf_iterator<char>());
  }
  std::mt19937 random(1);
  size_t runs = 0;
  for (const std::string& seed : corpus) {
    Run(seed);
    ++runs;
    if (seed.size() > kMutatedBytesMax) continue;
    std::string mutant = seed;
    for (int i = 0; i < kMutationsPerInput; ++i, ++runs) {
      mutant = Mutate(i % 4 == 0 ? seed : mutant, random);
      if (mutant.size() > kMutatedBytesMax) mutant = seed;
      Run(mutant);
    }
  }
  std::printf("replayed %zu inputs and mutants of them: %zu runs\n",
              corpus.size(), runs);
  return 0;
}
