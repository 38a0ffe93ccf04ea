#include "tools/kmsctl/policy_suite.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/clock.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "policy/cel/issue.h"
#include "policy/document/appraise.h"
#include "policy/document/limits.h"
#include "policy/document/policy.h"
#include "policy/document/references.h"
#include "policy/document/yaml.h"
#include "policy/reference_values/json.h"
#include "policy/reference_values/limits.h"
#include "policy/verifier/verifier.h"
#include "tools/client/bundle.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/anchor_files.h"
#include "tools/kmsctl/exit_codes.h"
#include "tools/kmsctl/policy_explain.h"

namespace kms::kmsctl {
namespace {

using policy::YamlNode;
using Strings = std::vector<std::string>;

constexpr absl::string_view kAllowed = "allowed";

struct Test {
  std::string name;
  Strings bundles;
  std::optional<absl::Time> at;
  v1::RequestContext request;
  std::string expect;
  std::optional<Strings> failing;
};

struct Suite {
  std::string policy;
  Strings anchors;
  Strings simulated_anchors;
  struct Set {
    std::string file;
    std::string signer;  // Who is taken to have signed it; empty: nobody.
  };
  std::map<std::string, Set> reference_sets;
  std::vector<Test> tests;
};

// Reads a suite's tree. Each function returns false after raising an Issue.
class SuiteReader {
 public:
  explicit SuiteReader(absl::string_view text) : text_(text) {}

  absl::StatusOr<Suite> Run() {
    Suite suite;
    const auto root = policy::ParseYaml(text_, issue_);
    if (root.has_value() && ReadSuite(*root, suite)) return suite;
    return client::UsageError(absl::StrCat(
        "suite: ", cel::Describe(text_, issue_.offset(), issue_.text())));
  }

 private:
  bool Fail(const YamlNode& at, std::string text) {
    return issue_.Raise(at.offset, std::move(text));
  }

  // That `node` is a map with all of `required`, and nothing but those and
  // `optional`.
  bool CheckKeys(const YamlNode& node, const Strings& required,
                 const Strings& optional) {
    if (node.kind != YamlNode::Kind::kMap) return Fail(node, "not a map");
    Strings known = required;
    known.insert(known.end(), optional.begin(), optional.end());
    for (const YamlNode& key : node.keys) {
      if (std::find(known.begin(), known.end(), key.text) == known.end()) {
        return Fail(key,
                    absl::StrCat("unknown key", cel::Suggest(key.text, known)));
      }
    }
    for (const std::string& name : required) {
      if (Find(node, name) == nullptr) {
        return Fail(node, absl::StrCat("lacks '", name, "'"));
      }
    }
    return true;
  }

  static const YamlNode* Find(const YamlNode& map, absl::string_view name) {
    for (size_t i = 0; i < map.keys.size(); ++i) {
      if (map.keys[i].text == name) return &map.items[i];
    }
    return nullptr;
  }

  bool Text(const YamlNode* node, std::string& out) {
    if (node == nullptr) return true;
    out = node->text;
    return (node->kind == YamlNode::Kind::kScalar && !out.empty()) ||
           Fail(*node, "not text");
  }

  bool List(const YamlNode* node, Strings& out) {
    if (node == nullptr) return true;
    if (node->kind != YamlNode::Kind::kList) return Fail(*node, "not a list");
    return std::all_of(node->items.begin(), node->items.end(),
                       [&](const YamlNode& item) {
                         out.emplace_back();
                         return Text(&item, out.back());
                       });
  }

  bool ReadSuite(const YamlNode& root, Suite& suite) {
    if (!CheckKeys(root, {"policy", "tests"},
                   {"anchors", "simulated_anchors", "reference_sets"}) ||
        !Text(Find(root, "policy"), suite.policy) ||
        !List(Find(root, "anchors"), suite.anchors) ||
        !List(Find(root, "simulated_anchors"), suite.simulated_anchors)) {
      return false;
    }
    if (const YamlNode* sets = Find(root, "reference_sets"); sets != nullptr) {
      if (sets->kind != YamlNode::Kind::kMap) return Fail(*sets, "not a map");
      for (size_t i = 0; i < sets->keys.size(); ++i) {
        const YamlNode& item = sets->items[i];
        Suite::Set& set = suite.reference_sets[sets->keys[i].text];
        if (!CheckKeys(item, {"file"}, {"signer"}) ||
            !Text(Find(item, "file"), set.file) ||
            !Text(Find(item, "signer"), set.signer)) {
          return false;
        }
      }
    }
    const YamlNode& tests = *Find(root, "tests");
    if (tests.kind != YamlNode::Kind::kList || tests.items.empty()) {
      return Fail(tests, "not a list of tests");
    }
    return std::all_of(tests.items.begin(), tests.items.end(),
                       [&](const YamlNode& item) {
                         suite.tests.emplace_back();
                         return ReadTest(item, suite.tests.back());
                       });
  }

  bool ReadTest(const YamlNode& node, Test& test) {
    test.request.set_namespace_("default");
    test.request.set_key_version(1);
    test.request.set_purpose("release");
    if (!CheckKeys(node, {"name", "bundles", "expect"},
                   {"at", "request", "failing"}) ||
        !Text(Find(node, "name"), test.name) ||
        !List(Find(node, "bundles"), test.bundles) ||
        !Text(Find(node, "expect"), test.expect)) {
      return false;
    }
    if (test.bundles.empty()) return Fail(node, "no bundles");
    v1::RefusalCode code;
    if (test.expect != kAllowed && !v1::RefusalCode_Parse(test.expect, &code)) {
      return Fail(*Find(node, "expect"), "want \"allowed\" or a refusal code");
    }
    if (const YamlNode* failing = Find(node, "failing"); failing != nullptr) {
      if (!List(failing, test.failing.emplace())) return false;
    }
    if (const YamlNode* at = Find(node, "at"); at != nullptr) {
      std::string ignored;
      if (!absl::ParseTime(absl::RFC3339_full, at->text, &test.at.emplace(),
                           &ignored)) {
        return Fail(*at, "not an RFC 3339 time");
      }
    }
    const YamlNode* request = Find(node, "request");
    return request == nullptr || ReadRequest(*request, test.request);
  }

  bool ReadRequest(const YamlNode& node, v1::RequestContext& request) {
    if (!CheckKeys(node, {},
                   {"namespace", "key", "key_version", "purpose",
                    "artifact_digest"}) ||
        !Text(Find(node, "namespace"), *request.mutable_namespace_()) ||
        !Text(Find(node, "key"), *request.mutable_key()) ||
        !Text(Find(node, "purpose"), *request.mutable_purpose())) {
      return false;
    }
    if (const YamlNode* artifact = Find(node, "artifact_digest");
        artifact != nullptr) {
      absl::StatusOr<std::string> digest = Unhex(artifact->text);
      if (!digest.ok()) return Fail(*artifact, "not hex");
      request.set_artifact_digest(*std::move(digest));
    }
    const YamlNode* version = Find(node, "key_version");
    if (version == nullptr) return true;
    uint32_t number = 0;
    if (!absl::SimpleAtoi(version->text, &number)) {
      return Fail(*version, "not a number");
    }
    request.set_key_version(number);
    return true;
  }

  const absl::string_view text_;
  cel::Issue issue_;
};

struct Folders {
  std::filesystem::path suite;
  std::filesystem::path bundles;
};

Strings Below(const std::filesystem::path& folder, const Strings& files) {
  Strings paths;
  for (const std::string& file : files) {
    paths.push_back((folder / file).string());
  }
  return paths;
}

absl::StatusOr<policy::ReferenceSets> ReadSets(const Suite& suite,
                                               const Folders& folders) {
  policy::ReferenceSets sets;
  for (const auto& [name, set] : suite.reference_sets) {
    KMS_ASSIGN_OR_RETURN(const std::string json,
                         client::ReadFile((folders.suite / set.file).string(),
                                          reference_values::kFileBytesMax));
    const auto file = reference_values::ReadJson(json);
    if (!file.ok()) return client::AsRefusal(file.status());
    policy::ReferenceVersion version;
    version.version = 1;
    version.values = file->values;
    version.digest = crypto::Sha256(AsBytes(json));
    version.signer = set.signer;
    sets[name] = {version};
  }
  return sets;
}

struct Subject {
  policy::CompiledPolicy policy;
  policy::TrustAnchors anchors;
  policy::ReferenceSets sets;
};

absl::StatusOr<Subject> ReadSubject(const Suite& suite, const Folders& folders,
                                    const Strings& anchors,
                                    const Strings& simulated_anchors) {
  KMS_ASSIGN_OR_RETURN(const std::string document,
                       client::ReadFile((folders.suite / suite.policy).string(),
                                        policy::kDocumentBytesMax));
  absl::StatusOr<policy::CompiledPolicy> compiled = policy::Compile(document);
  if (!compiled.ok()) return client::AsRefusal(compiled.status());
  Strings vendors = Below(folders.bundles, suite.anchors);
  vendors.insert(vendors.end(), anchors.begin(), anchors.end());
  Strings simulators = Below(folders.bundles, suite.simulated_anchors);
  simulators.insert(simulators.end(), simulated_anchors.begin(),
                    simulated_anchors.end());
  KMS_ASSIGN_OR_RETURN(policy::TrustAnchors loaded,
                       LoadAnchors(vendors, simulators));
  KMS_ASSIGN_OR_RETURN(policy::ReferenceSets sets, ReadSets(suite, folders));
  return Subject{*std::move(compiled), std::move(loaded), std::move(sets)};
}

// What the policy says of a test's bundles; Evidence that does not verify is a
// verdict, too.
absl::StatusOr<v1::Decision> Decide(const Subject& subject, const Test& test,
                                    const Folders& folders) {
  v1::EvidenceBundle evidence;
  std::optional<absl::Time> at = test.at;
  for (const std::string& path : Below(folders.bundles, test.bundles)) {
    KMS_ASSIGN_OR_RETURN(const client::Bundle bundle, client::ReadBundle(path));
    evidence.MergeFrom(bundle.evidence);
    if (!at.has_value()) at = bundle.index.verify_at;
  }
  const absl::Time now = at.value_or(SystemClock().Now());
  const absl::StatusOr<v1::Claims> claims =
      policy::VerifyBundle(evidence, {.now = now, .anchors = subject.anchors});
  if (!claims.ok()) {
    v1::Decision decision;
    decision.set_code(RefusalOf(claims.status()));
    decision.set_reason(std::string(claims.status().message()));
    return decision;
  }
  return policy::Appraise(subject.policy, *claims, test.request, now,
                          subject.sets);
}

// "" if the decision is what the test expects.
std::string Difference(const Test& test, const v1::Decision& decision) {
  const std::string verdict =
      decision.allowed() ? std::string(kAllowed) : RefusalName(decision.code());
  if (verdict != test.expect) {
    return absl::StrCat(
        "got ", verdict, ", want ", test.expect,
        decision.reason().empty() ? "" : absl::StrCat(": ", decision.reason()));
  }
  if (!test.failing.has_value()) return "";
  Strings failing;
  for (const v1::RuleResult& rule : decision.rules()) {
    if (rule.outcome() != v1::RuleResult::TRUE) failing.push_back(rule.id());
  }
  Strings want = *test.failing;
  std::sort(failing.begin(), failing.end());
  std::sort(want.begin(), want.end());
  if (failing == want) return "";
  return absl::StrCat("failing rules [", absl::StrJoin(failing, ", "),
                      "], want [", absl::StrJoin(want, ", "), "]");
}

}  // namespace

absl::Status RunPolicySuite(Context& context, const std::string& file,
                            const std::string& bundles, const Strings& anchors,
                            const Strings& simulated_anchors) {
  KMS_ASSIGN_OR_RETURN(const std::string text,
                       client::ReadFile(file, policy::kDocumentBytesMax));
  KMS_ASSIGN_OR_RETURN(const Suite suite, SuiteReader(text).Run());
  Folders folders;
  folders.suite = std::filesystem::path(file).parent_path();
  folders.bundles =
      bundles.empty() ? folders.suite : std::filesystem::path(bundles);
  KMS_ASSIGN_OR_RETURN(const Subject subject,
                       ReadSubject(suite, folders, anchors, simulated_anchors));
  size_t failed = 0;
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const Test& test : suite.tests) {
    KMS_ASSIGN_OR_RETURN(const v1::Decision decision,
                         Decide(subject, test, folders));
    const std::string difference = Difference(test, decision);
    results.push_back({{"name", test.name},
                       {"passed", difference.empty()},
                       {"difference", difference}});
    if (!difference.empty()) ++failed;
    if (context.json()) continue;
    if (difference.empty()) {
      context.out() << "ok      " << test.name << "\n";
    } else {
      context.out() << "FAILED  " << test.name << ": " << difference << "\n";
      PrintDecision(context.out(), decision, /*inputs=*/true);
    }
  }
  const size_t passed = suite.tests.size() - failed;
  if (context.json()) {
    context.PrintJson(
        {{"passed", passed}, {"failed", failed}, {"tests", results}});
  } else {
    context.out() << passed << " passed, " << failed << " failed\n";
  }
  if (failed != 0) context.exit_code() = kExitRefused;
  return absl::OkStatus();
}

}  // namespace kms::kmsctl
