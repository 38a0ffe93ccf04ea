// Whole files of weights, from page cache to page cache on all cores, beside
// what the cores do of AES-256-GCM alone (openssl speed) in the same run.
//
//   bazel run -c opt //tests/bench:weights -- [--dir DIR] [--mib N]
//
// Unless DIR is given: in /dev/shm, whose pages are of 4 KiB, and, where the
// system lets us mount one, in a tmpfs with huge pages, which is where
// plaintext should go. Both are memory: no disk is measured. Every output is a
// new file, so making its pages counts. There is a raw measurement before and
// after each of ours, because a machine does not stay equally fast; the ratio
// is to their mean, and the median round counts.
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "kms/weights/reader.h"
#include "kms/weights/segment_workers.h"
#include "kms/weights/transfer.h"

namespace kms::bench {
namespace {

using weights::Reader;
using weights::UnverifiedFile;

constexpr double kGoalRatio = 0.90;
constexpr int kRounds = 3;      // Odd, for the median.
constexpr int kRawSeconds = 2;  // Of each raw measurement.
constexpr uint64_t kMiB = 1024 * 1024;

// ---------------------------------------------------------------------------
// What the cores can do

// Bytes a second of `openssl speed` with one process for each of `threads`.
absl::StatusOr<double> RawSpeed(unsigned threads) {
  const std::string command =
      absl::StrCat("openssl speed -evp aes-256-gcm -bytes 16384 -seconds ",
                   kRawSeconds, " -multi ", threads, " 2>/dev/null");
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return absl::InternalError("openssl: cannot run");
  double speed = 0;
  char line[512];
  while (std::fgets(line, sizeof line, pipe) != nullptr) {
    // "AES-256-GCM    2508201.62k"
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \n"), absl::SkipEmpty());
    double thousands = 0;
    if (words.size() == 2 && words[0] == "AES-256-GCM" &&
        absl::SimpleAtod(absl::StripSuffix(words[1], "k"), &thousands)) {
      speed = thousands * 1000;
    }
  }
  if (pclose(pipe) != 0 || speed == 0) {
    return absl::InternalError("openssl speed: no result");
  }
  return speed;
}

// ---------------------------------------------------------------------------
// What is measured

struct Bench {
  std::string folder;
  uint64_t size = 0;
  unsigned threads = 0;
  Secret key;

  std::string plain() const { return folder + "/weights.bin"; }
  std::string encrypted() const { return folder + "/weights.kms"; }
  std::string output() const { return folder + "/weights.out"; }
};

constexpr char kNameSpace[] = "default";
constexpr char kName[] = "bench";

absl::StatusOr<Reader> Open(const Bench& bench, bool expect_artifact) {
  KMS_ASSIGN_OR_RETURN(UnverifiedFile file,
                       UnverifiedFile::Open(bench.encrypted()));
  weights::Expectation expected{.name_space = kNameSpace,
                                .name = kName,
                                .version = 1,
                                .artifact_digest = {}};
  if (expect_artifact) expected.artifact_digest = file.artifact_digest();
  return Reader::Create(std::move(file), bench.key, expected);
}

absl::Status MakePlain(const Bench& bench) {
  std::string piece(static_cast<size_t>(kMiB), '\0');
  crypto::RandomBytes(
      absl::MakeSpan(reinterpret_cast<uint8_t*>(piece.data()), piece.size()));
  std::FILE* const file = std::fopen(bench.plain().c_str(), "wb");
  bool good = file != nullptr;
  for (uint64_t i = 0; good && i < bench.size / kMiB; ++i) {
    std::memcpy(piece.data(), &i, sizeof i);  // No two alike.
    good = std::fwrite(piece.data(), 1, piece.size(), file) == piece.size();
  }
  good = file != nullptr && std::fclose(file) == 0 && good;
  return good ? absl::OkStatus() : absl::InternalError("cannot make the input");
}

absl::Status Encrypt(const Bench& bench) {
  weights::EncryptOptions options;
  options.overwrite = true;
  return weights::Encrypt(
             bench.plain(), bench.encrypted(), bench.key,
             {.name_space = kNameSpace, .name = kName, .version = 1}, options)
      .status();
}

absl::Status Decrypt(const Bench& bench, bool expect_artifact) {
  KMS_ASSIGN_OR_RETURN(const Reader reader, Open(bench, expect_artifact));
  return weights::Decrypt(reader, bench.output(), {}).status();
}

// As a loader would: each thread into memory of its own, again and again.
absl::Status ReadToMemory(const Bench& bench) {
  KMS_ASSIGN_OR_RETURN(const Reader reader, Open(bench, false));
  return weights::ForEachSegment(
      reader.layout().segments(), reader.layout().segment_size(), 0,
      [&](uint64_t index, weights::SegmentBuffers& buffers) {
        return reader.ReadAt(reader.layout().PlaintextOffset(index),
                             buffers.First(reader.layout().SizeOf(index)));
      });
}

// ---------------------------------------------------------------------------
// Measuring

struct Result {
  double speed = 0;  // Bytes of plaintext a second.
  double raw = 0;    // Around it.
  double Ratio() const { return speed / raw; }
};

absl::StatusOr<Result> Measure(const Bench& bench, int rounds,
                               const std::function<absl::Status()>& run) {
  std::vector<Result> results(static_cast<size_t>(rounds));
  KMS_ASSIGN_OR_RETURN(double before, RawSpeed(bench.threads));
  for (Result& result : results) {
    const absl::Time start = absl::Now();
    KMS_RETURN_IF_ERROR(run());
    const absl::Duration spent = absl::Now() - start;
    KMS_ASSIGN_OR_RETURN(const double after, RawSpeed(bench.threads));
    result.speed =
        static_cast<double>(bench.size) / absl::ToDoubleSeconds(spent);
    result.raw = (before + after) / 2;
    before = after;
    unlink(bench.output().c_str());  // A fresh file each time.
  }
  std::sort(
      results.begin(), results.end(),
      [](const Result& a, const Result& b) { return a.Ratio() < b.Ratio(); });
  return results[results.size() / 2];
}

void Print(const char* what, const Result& result) {
  std::printf("%-34s %8.0f MB/s   raw %8.0f MB/s   %.2fx\n", what,
              result.speed / 1e6, result.raw / 1e6, result.Ratio());
  std::fflush(stdout);
}

absl::Status CheckSpace(const Bench& bench) {
  struct statvfs facts;
  if (statvfs(bench.folder.c_str(), &facts) != 0) {
    return absl::InternalError("statvfs failed");
  }
  const uint64_t free = uint64_t{facts.f_bavail} * facts.f_frsize;
  const uint64_t memory = static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES)) *
                          static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  // Two files at a time, and as much page cache as they need.
  const uint64_t want = 2 * bench.size + 256 * kMiB;
  if (free >= want && memory >= want) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "want ", want / kMiB, " MiB; free in ", bench.folder, ": ", free / kMiB,
      ", free memory: ", memory / kMiB, "; choose --dir or a smaller --mib"));
}

void PrintTarget(const std::string& what, const Result& result) {
  std::printf("target: weights %s %.2fx of raw AES-256-GCM (goal %.2fx) %s\n",
              what.c_str(), result.Ratio(), kGoalRatio,
              result.Ratio() >= kGoalRatio ? "met" : "miss");
}

// Everything in bench.folder, which is `place` to people.
absl::Status Run(const Bench& bench, const std::string& place) {
  KMS_RETURN_IF_ERROR(CheckSpace(bench));
  KMS_RETURN_IF_ERROR(MakePlain(bench));
  std::printf("%llu MiB in %s, %u threads\n",
              static_cast<unsigned long long>(bench.size / kMiB), place.c_str(),
              bench.threads);
  KMS_ASSIGN_OR_RETURN(const Result encrypt,
                       Measure(bench, 1, [&] { return Encrypt(bench); }));
  Print("encrypt and hash, file to file", encrypt);
  unlink(bench.plain().c_str());
  KMS_ASSIGN_OR_RETURN(const Result decrypt, Measure(bench, kRounds, [&] {
                         return Decrypt(bench, false);
                       }));
  Print("decrypt, file to file", decrypt);
  KMS_ASSIGN_OR_RETURN(const Result artifact,
                       Measure(bench, 1, [&] { return Decrypt(bench, true); }));
  Print("decrypt and compare the artifact", artifact);
  KMS_ASSIGN_OR_RETURN(const Result memory, Measure(bench, kRounds, [&] {
                         return ReadToMemory(bench);
                       }));
  Print("read_at, file to memory", memory);
  PrintTarget(absl::StrCat("decrypt, file to file in ", place), decrypt);
  PrintTarget(absl::StrCat("read_at, file to memory in ", place), memory);
  std::printf("\n");
  return absl::OkStatus();
}

// A folder of our own in `parent`, gone afterwards.
absl::Status RunIn(Bench& bench, const std::string& parent,
                   const std::string& place) {
  bench.folder = parent + "/kms-bench.XXXXXX";
  if (mkdtemp(bench.folder.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, bench.folder);
  }
  const absl::Status status = Run(bench, place);
  std::filesystem::remove_all(bench.folder);
  return status;
}

// A tmpfs with huge pages at `parent`, for this process only.
bool MountHuge(const std::string& parent) {
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", parent.c_str(), "tmpfs", 0, "huge=always,mode=700") ==
             0;
}

absl::Status RunAll(uint64_t mib, const std::string& folder) {
  Bench bench;
  bench.size = mib * kMiB;
  bench.threads = weights::ThreadsAvailable();
  KMS_ASSIGN_OR_RETURN(bench.key, crypto::RandomSecret(32));
  if (!folder.empty()) return RunIn(bench, folder, folder);
  constexpr char kShm[] = "/dev/shm";
  KMS_RETURN_IF_ERROR(RunIn(bench, kShm, kShm));
  if (MountHuge(kShm)) return RunIn(bench, kShm, "tmpfs of huge pages");
  std::printf("NOT RUN: tmpfs of huge pages: may not mount one here\n");
  return absl::OkStatus();
}

}  // namespace
}  // namespace kms::bench

int main(int argc, char** argv) {
  std::string folder;
  uint64_t mib = 2048;
  CLI::App app("Speed of whole files of weights.");
  app.add_option("--dir", folder, "where the files go");
  app.add_option("--mib", mib, "plaintext")->check(CLI::Range(1, 1 << 20));
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = kms::bench::RunAll(mib, folder);
  if (status.ok()) return 0;
  std::fprintf(stderr, "bench: %s\n", status.ToString().c_str());
  return 1;
}
