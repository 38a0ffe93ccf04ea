// The one source of chance of a simulation.
// Thread-compatible.
#ifndef TESTS_SIMULATION_RANDOM_H_
#define TESTS_SIMULATION_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace kms::simulation {

// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", 2014). Seeds that follow each other give unrelated runs.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // From [0, n). REQUIRES: n > 0.
  uint64_t Below(uint64_t n) { return Next() % n; }
  int64_t Between(int64_t low, int64_t high) {  // Both included.
    return low +
           static_cast<int64_t>(Below(static_cast<uint64_t>(high - low) + 1));
  }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  bool Percent(uint64_t percent) { return Below(100) < percent; }

  std::string Bytes(size_t size) {
    std::string bytes;
    while (bytes.size() < size) {
      for (uint64_t word = Next(), i = 0; i < 8; ++i, word >>= 8) {
        bytes.push_back(static_cast<char>(word));
      }
    }
    bytes.resize(size);
    return bytes;
  }

 private:
  uint64_t state_;
};

}  // namespace kms::simulation

#endif  // TESTS_SIMULATION_RANDOM_H_
