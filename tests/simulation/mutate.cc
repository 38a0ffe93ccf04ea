// Applies seeded bugs to copies of sources, at build time.
//
//   mutate MUTANTS (NAME IN OUT)...
//
// MUTANTS holds blocks of
//   @ NAME          ; the file that the block is about
//   -line           ; of it, in order; they must be there exactly once
//   +line           ; what stands in their place
// and comments (#). It fails if a block does not fit its file: a bug that is
// not in the code any more is no test.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Change {
  std::string from;
  std::string to;
};

std::string ReadAll(const char* path) {
  std::ifstream file(path);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

// By file.
std::map<std::string, std::vector<Change>> ReadMutants(const char* path) {
  std::map<std::string, std::vector<Change>> mutants;
  std::ifstream file(path);
  Change* change = nullptr;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '@') {
      change = &mutants[line.substr(2)].emplace_back();
    } else if (change != nullptr && (line[0] == '-' || line[0] == '+')) {
      (line[0] == '-' ? change->from : change->to) += line.substr(1) + "\n";
    } else {
      std::cerr << path << ": " << line << "\n";
      std::exit(1);
    }
  }
  return mutants;
}

bool Apply(const Change& change, std::string& text) {
  const size_t at = text.find(change.from);
  if (change.from.empty() || at == std::string::npos ||
      text.find(change.from, at + 1) != std::string::npos) {
    std::cerr << "not there exactly once:\n" << change.from;
    return false;
  }
  text.replace(at, change.from.size(), change.to);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc % 3 != 2) return 2;
  auto mutants = ReadMutants(argv[1]);
  bool good = true;
  for (int i = 2; i < argc; i += 3) {
    std::string text = ReadAll(argv[i + 1]);
    const auto found = mutants.find(argv[i]);
    if (found != mutants.end()) {
      for (const Change& change : found->second) {
        good = Apply(change, text) && good;
      }
      mutants.erase(found);
      text = "#include \"tests/simulation/bugs.h\"\n" + text;
    }
    std::ofstream(argv[i + 2]) << text;
  }
  for (const auto& [name, changes] : mutants) {
    std::cerr << name << ": no such file\n";
    good = false;
  }
  return good ? 0 : 1;
}
