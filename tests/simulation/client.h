// Clients of a simulated cluster, and the part of the service that stands
// between them and a replica: what kms/release and kms/lifecycle do with a
// view, a proposal and its answer, without Evidence and without gRPC.
// Thread-compatible: one thread drives a run.
#ifndef TESTS_SIMULATION_CLIENT_H_
#define TESTS_SIMULATION_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "proto/storage/v1/command.pb.h"
#include "storage/replica/stepped_replica.h"
#include "tests/simulation/node.h"
#include "tests/simulation/run.h"

namespace kms::simulation {

using Nodes = std::vector<std::unique_ptr<Node>>;

// Makes commands; each has a salt of its own.
class CommandMaker {
 public:
  explicit CommandMaker(Run& run) : run_(run) {}

  ::storage::v1::Command New();
  ::storage::v1::Command Genesis(const Identity& first);
  ::storage::v1::Command Register(const Identity& identity);
  ::storage::v1::Command PutPolicy(const std::string& name,
                                   uint32_t expected_version, uint64_t quota,
                                   absl::Duration window);
  ::storage::v1::Command CreateKey(const std::string& name,
                                   const std::string& key_id,
                                   const std::string& policy);

 private:
  Run& run_;
};

// What all clients know.
struct Book {
  struct Key {
    std::string id;
    uint64_t lifetime_quota = 0;  // See Checker::OnReleased.
  };
  struct Policy {
    std::string name;
    uint64_t quota = 0;
    absl::Duration window;
  };
  std::vector<Key> keys;
  std::vector<Policy> policies;
  std::vector<Checker::ReleaseRequest> releases;  // Asked for before.
  std::vector<size_t> joining;  // Identities that are to be registered.
  uint64_t names = 0;
  bool clocks_lie = false;
};

// Does one thing after another, through any node, elsewhere after a failure.
class Client {
 public:
  Client(Run& run, Nodes& nodes, Book& book)
      : run_(run), nodes_(nodes), book_(book), make_(run) {}

  // A while of its life: asks, waits, is answered, gives up or begins anew.
  void Step();
  bool idle() const { return !operation_.has_value(); }
  // Of what it was told before, nothing holds any more.
  void Forget() { operation_.reset(); }

 private:
  enum class Kind { kRelease, kRead, kChange };
  struct Operation {
    Kind kind;
    uint64_t floor;  // See Checker::OnAnswer.
    int tries_left;
    ::storage::v1::Command command;   // kChange.
    Checker::ReleaseRequest release;  // kRelease.
    std::string key_id;               // kRead.
    std::optional<uint64_t> read_tail;

    // Of the present try.
    Node* node = nullptr;
    uint64_t life = 0;
    std::string salt;
    std::optional<storage::SteppedReplica::Pending> pending;
    absl::Duration until;
  };

  void Begin();
  void BeginRelease();
  bool BeginChange();
  void Try();
  // The command to propose at `node`, or nothing: refused there.
  std::optional<::storage::v1::Command> Prepare(Node& node);
  void Poll();
  void PollRead();
  void Answer(const storage::Applied& applied);
  void Elsewhere();
  Node* PickNode();

  Run& run_;
  Nodes& nodes_;
  Book& book_;
  CommandMaker make_;
  std::optional<Operation> operation_;
};

}  // namespace kms::simulation

#endif  // TESTS_SIMULATION_CLIENT_H_
