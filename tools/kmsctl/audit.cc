#include "tools/kmsctl/audit.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/merkle.h"
#include "kms/release/receipt.h"
#include "policy/bundle/bundle.h"
#include "proto/kms/v1/audit.grpc.pb.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "proto/kms/v1/evidence.pb.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/checkpoint.h"

namespace kms::kmsctl {
namespace {

using Audits = v1::AuditService::StubInterface;
using client::AsIntegrityError;
using client::IntegrityError;
using Json = nlohmann::ordered_json;

constexpr size_t kReceiptBytesMax = 128 * 1024;

struct Options {
  std::string file;
  std::string save;
  std::string digest;
  uint64_t from = 0;
  uint64_t leaf = 0;
  uint32_t count = 100;
};

struct Latest {
  v1::Checkpoint checkpoint;
  VerifiedCheckpoint verified;
};

absl::StatusOr<Latest> FetchLatest(Context& context,
                                   const PinnedCluster& pinned) {
  KMS_ASSIGN_OR_RETURN(
      v1::Checkpoint checkpoint,
      (context.Call<v1::AuditService, v1::Checkpoint>(
          &Audits::GetCheckpoint, v1::GetCheckpointRequest())));
  KMS_ASSIGN_OR_RETURN(VerifiedCheckpoint verified,
                       VerifyCheckpoint(checkpoint, pinned));
  return Latest{std::move(checkpoint), std::move(verified)};
}

absl::Status Save(const Options& options, const v1::Checkpoint& checkpoint) {
  if (options.save.empty()) return absl::OkStatus();
  return client::WriteFile(options.save, AsBytes(checkpoint.note()));
}

absl::Status ShowCheckpoint(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const PinnedCluster pinned, context.Pinned());
  KMS_ASSIGN_OR_RETURN(const Latest latest, FetchLatest(context, pinned));
  KMS_RETURN_IF_ERROR(Save(options, latest.checkpoint));
  if (!context.json()) {
    context.out() << latest.checkpoint.note();
    return absl::OkStatus();
  }
  const crypto::Checkpoint& head = latest.verified.head;
  context.PrintJson({{"origin", head.origin},
                     {"size", head.size},
                     {"root", Hex(head.root)},
                     {"verifier_key", latest.checkpoint.verifier_key()},
                     {"note", latest.checkpoint.note()}});
  return absl::OkStatus();
}

// A leaf as people read it; its number beside what it says.
absl::StatusOr<Json> LeafJson(uint64_t number, const std::string& leaf) {
  v1::AuditEntry entry;
  if (!entry.ParseFromString(leaf)) {
    return IntegrityError(absl::StrCat("leaf ", number, ": does not parse"));
  }
  Json json = {{"leaf", number}};
  json.update(ProtoToJson(entry));
  return json;
}

std::string EventName(const v1::AuditEntry& entry) {
  const auto* oneof = v1::AuditEntry::descriptor()->FindOneofByName("event");
  const auto* field =
      entry.GetReflection()->GetOneofFieldDescriptor(entry, oneof);
  return field == nullptr ? "?" : field->name();
}

// The event alone, on one line.
std::string EventText(const v1::AuditEntry& entry) {
  const Json json = ProtoToJson(entry);
  const auto event = json.find(EventName(entry));
  return event == json.end() ? "" : event->dump();
}

absl::Status List(Context& context, const Options& options) {
  v1::ListEntriesRequest request;
  request.set_start(options.from);
  request.set_count(options.count);
  KMS_ASSIGN_OR_RETURN(const v1::ListEntriesResponse response,
                       (context.Call<v1::AuditService, v1::ListEntriesResponse>(
                           &Audits::ListEntries, request)));
  Json all = {{"tree_size", response.tree_size()}, {"entries", Json::array()}};
  std::vector<std::vector<std::string>> rows = {
      {"LEAF", "LOG TIME", "EVENT", "BY", "DETAIL"}};
  uint64_t number = options.from;
  for (const std::string& leaf : response.entries()) {
    KMS_ASSIGN_OR_RETURN(const Json json, LeafJson(number, leaf));
    all["entries"].push_back(json);
    v1::AuditEntry entry;
    entry.ParseFromString(leaf);
    rows.push_back({absl::StrCat(number), TimeText(entry.log_time_us()),
                    EventName(entry),
                    entry.principal().empty() ? "-" : entry.principal(),
                    EventText(entry)});
    ++number;
  }
  context.PrintTable(rows, all);
  return absl::OkStatus();
}

absl::Status Prove(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const PinnedCluster pinned, context.Pinned());
  v1::GetInclusionProofRequest request;
  request.set_leaf_index(options.leaf);
  KMS_ASSIGN_OR_RETURN(const v1::InclusionProof proof,
                       (context.Call<v1::AuditService, v1::InclusionProof>(
                           &Audits::GetInclusionProof, request)));
  KMS_ASSIGN_OR_RETURN(const VerifiedCheckpoint checkpoint,
                       VerifyCheckpoint(proof.checkpoint(), pinned));
  // The number that was asked for and the tree that is signed, whatever the
  // answer says of itself.
  const std::vector<std::string> hashes(proof.hashes().begin(),
                                        proof.hashes().end());
  KMS_RETURN_IF_ERROR(AsIntegrityError(
      crypto::VerifyInclusion(options.leaf, checkpoint.head.size,
                              AsBytes(crypto::LeafHash(AsBytes(proof.leaf()))),
                              hashes, AsBytes(checkpoint.head.root))));
  KMS_ASSIGN_OR_RETURN(const Json leaf, LeafJson(options.leaf, proof.leaf()));
  context.PrintJson({{"proved", true},
                     {"origin", checkpoint.head.origin},
                     {"tree_size", checkpoint.head.size},
                     {"root", Hex(checkpoint.head.root)},
                     {"entry", leaf}});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> FetchConsistency(Context& context,
                                                          uint64_t first,
                                                          uint64_t second) {
  // Trees of these sizes are proved by their roots alone.
  if (first == 0 || first == second) return std::vector<std::string>();
  v1::GetConsistencyProofRequest request;
  request.set_first_size(first);
  request.set_second_size(second);
  KMS_ASSIGN_OR_RETURN(const v1::ConsistencyProof proof,
                       (context.Call<v1::AuditService, v1::ConsistencyProof>(
                           &Audits::GetConsistencyProof, request)));
  return std::vector<std::string>(proof.hashes().begin(), proof.hashes().end());
}

absl::Status VerifyConsistency(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const PinnedCluster pinned, context.Pinned());
  KMS_ASSIGN_OR_RETURN(const std::string note,
                       client::ReadFile(options.file, crypto::kNoteBytesMax));
  KMS_ASSIGN_OR_RETURN(const Latest latest, FetchLatest(context, pinned));
  const crypto::Checkpoint& now = latest.verified.head;
  KMS_ASSIGN_OR_RETURN(const crypto::Checkpoint then,
                       OpenSavedCheckpoint(note, latest.verified));
  if (now.size < then.size) {
    return IntegrityError(absl::StrCat("log: ", now.size, " entries now, ",
                                       then.size, " then: it was rolled back"));
  }
  KMS_ASSIGN_OR_RETURN(const std::vector<std::string> hashes,
                       FetchConsistency(context, then.size, now.size));
  KMS_RETURN_IF_ERROR(AsIntegrityError(crypto::VerifyConsistency(
      then.size, now.size, hashes, AsBytes(then.root), AsBytes(now.root))));
  KMS_RETURN_IF_ERROR(Save(options, latest.checkpoint));
  if (then.origin != now.origin) {
    context.err() << "the log began a new epoch in between: kmsctl audit list "
                     "shows when, and the reason given (cluster_started)\n";
  }
  context.PrintJson({{"consistent", true},
                     {"origin", now.origin},
                     {"origin_then", then.origin},
                     {"then", then.size},
                     {"now", now.size}});
  return absl::OkStatus();
}

absl::Status VerifyReceipt(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const PinnedCluster pinned, context.Pinned());
  KMS_ASSIGN_OR_RETURN(const std::string bytes,
                       client::ReadFile(options.file, kReceiptBytesMax));
  v1::Receipt receipt;
  if (!receipt.ParseFromString(bytes)) {
    return IntegrityError("receipt: does not parse");
  }
  const absl::StatusOr<release::VerifiedReceipt> verified =
      release::VerifyReceipt(receipt, AsBytes(pinned.identity_public_key),
                             AsBytes(pinned.cluster_id));
  if (!verified.ok()) return AsIntegrityError(verified.status());
  Json body = ProtoToJson(verified->body);
  // Shown as the entry; as bytes they say nothing to people.
  for (const char* field : {"leaf", "inclusion_proof", "checkpoint"}) {
    body.erase(field);
  }
  if (!context.json()) {
    context.out()
        << "This receipt proves: the pinned cluster released the key version "
           "below, for\nthis transcript and to this recipient key, under this "
           "policy version; and the\nrelease is leaf "
        << verified->body.leaf_index() << " of its log at size "
        << verified->tree_size
        << ".\nIt does not prove that others see the same log: compare "
           "checkpoints for that.\n\n";
  }
  context.PrintJson({{"verified", true},
                     {"tree_size", verified->tree_size},
                     {"receipt", body},
                     {"entry", ProtoToJson(verified->leaf)}});
  return absl::OkStatus();
}

// Evidence as it was judged, laid out as a bundle that `evidence verify` takes.
absl::Status SaveEvidence(Context& context, const Options& options) {
  const absl::StatusOr<std::string> digest = Unhex(options.digest);
  if (!digest.ok()) return client::UsageError("digest: want hex, from a leaf");
  v1::GetEvidenceRequest request;
  request.set_digest(*digest);
  KMS_ASSIGN_OR_RETURN(
      const v1::ArchivedEvidence kept,
      (context.Call<v1::AuditService, v1::ArchivedEvidence>(
          &v1::AuditService::StubInterface::GetEvidence, request)));
  if (crypto::Sha256(AsBytes(kept.bundle())) != *digest) {
    return client::IntegrityError("evidence: not of the digest asked for");
  }
  v1::EvidenceBundle bundle;
  if (!bundle.ParseFromString(kept.bundle())) {
    return client::IntegrityError("evidence: does not parse");
  }
  policy::BundleIndex index;
  for (const v1::Evidence& evidence : bundle.evidence()) {
    auto& piece = index.evidence.emplace_back();
    piece.type = evidence.type();
    for (const v1::EvidenceFile& file : evidence.files()) {
      // Named by number: a role is a stranger's word.
      const std::string name = absl::StrCat(index.evidence.size(), "-",
                                            piece.files.size() + 1, ".bin");
      KMS_RETURN_IF_ERROR(client::WriteFile(
          absl::StrCat(options.save, "/", name), AsBytes(file.content())));
      piece.files.push_back({file.role(), name});
    }
  }
  const std::string path = absl::StrCat(options.save, "/bundle.json");
  KMS_RETURN_IF_ERROR(
      client::WriteFile(path, AsBytes(policy::BundleIndexToJson(index))));
  context.out() << "next: kmsctl evidence verify " << path << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddAuditCommands(CLI::App& app, Context& context) {
  CLI::App* audit =
      app.add_subcommand("audit", "Read and verify the Merkle log");
  audit->require_subcommand(1, 1);
  const auto add = [audit, &context](
                       const char* name, const char* what,
                       absl::Status (*body)(Context&, const Options&)) {
    CLI::App* command = audit->add_subcommand(name, what);
    auto options = std::make_shared<Options>();
    context.OnRun(*command, [&context, options, body] {
      return body(context, *options);
    });
    return std::pair<CLI::App*, Options*>(command, options.get());
  };
  {
    const auto [command, options] =
        add("checkpoint", "Fetch and verify the latest", ShowCheckpoint);
    command->add_option("--save", options->save, "file to keep the note in");
  }
  {
    const auto [command, options] = add("list", "Show leaves, in order", List);
    command->add_option("--from", options->from, "first leaf, from 0");
    command->add_option("--count", options->count, "100 unless given")
        ->check(CLI::Range(1, 1000));
  }
  {
    const auto [command, options] =
        add("prove", "Fetch a leaf and verify that the log has it", Prove);
    command->add_option("leaf", options->leaf, "from 0")->required();
  }
  {
    const auto [command, options] =
        add("verify-consistency",
            "Verify that the log only grew since a saved checkpoint",
            VerifyConsistency);
    command->add_option("old", options->file, "file of audit checkpoint --save")
        ->required();
    command->add_option("--save", options->save,
                        "file to keep the newer note in");
  }
  {
    const auto [command, options] =
        add("evidence", "Save Evidence that was judged, by a leaf's digest",
            SaveEvidence);
    command->add_option("digest", options->digest, "evidence_digest, hex")
        ->required();
    command->add_option("--out", options->save, "an existing folder")
        ->required();
  }
  {
    const auto [command, options] = add(
        "verify-receipt", "Verify a receipt, without a server", VerifyReceipt);
    command->add_option("receipt", options->file, "file of kms-agent --receipt")
        ->required();
  }
}

}  // namespace kms::kmsctl
