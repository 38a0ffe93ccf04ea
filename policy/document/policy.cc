#include "policy/document/policy.h"

#include <algorithm>
#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/names.h"
#include "kms/base/refusal.h"
#include "policy/cel/environment.h"
#include "policy/cel/lexer.h"
#include "policy/cel/type.h"
#include "policy/document/limits.h"
#include "policy/document/rule_check.h"
#include "policy/document/yaml.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/decision.pb.h"

namespace kms::policy {
namespace {

// Rules and anchors are named by the same rules as policies.
bool IsName(absl::string_view text) { return CheckPolicyName(text).ok(); }
static_assert(kPolicyNameSizeMax == kAnchorNameSizeMax,
              "one check of names would be wrong for the other");

// Reference sets are read as reference.<set>, so they must be identifiers.
bool IsSetName(absl::string_view text) {
  return IsName(text) &&
         !absl::ascii_isdigit(static_cast<unsigned char>(text[0])) &&
         text.find_first_of(".-") == absl::string_view::npos;
}

std::vector<std::string> Names(absl::Span<const absl::string_view> names) {
  return {names.begin(), names.end()};
}

// "sev-snp" for SEV_SNP, as in bundle.json.
std::string EvidenceTypeName(absl::string_view enum_name) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(enum_name), {{"_", "-"}});
}

}  // namespace

// Reads the tree key by key. Every reader returns false after raising an
// Issue, and the first fault ends the compilation.
class Compiler {
 public:
  explicit Compiler(absl::string_view yaml) {
    body_->source = std::string(yaml);
  }

  absl::StatusOr<CompiledPolicy> Run() {
    const auto root = ParseYaml(body_->source, issue_);
    if (!root.has_value() || !Document(*root)) {
      return Refuse(
          v1::POLICY_INVALID,
          absl::StrCat("policy: ", cel::Describe(body_->source, issue_.offset(),
                                                 issue_.text())));
    }
    return CompiledPolicy(std::move(body_));
  }

 private:
  using Reader = std::function<bool(const YamlNode&)>;
  struct Field {
    std::string name;
    bool required;
    Reader read;
  };

  bool Fail(const YamlNode& at, std::string text) {
    return issue_.Raise(at.offset, std::move(text));
  }

  // The values of a map by its keys, in the order of `fields`, whatever order
  // the document has: rules need the names of the reference sets.
  bool Map(const YamlNode& node, absl::string_view what,
           const std::vector<Field>& fields) {
    if (node.kind != YamlNode::Kind::kMap) {
      return Fail(node, absl::StrCat(what, " is not a map"));
    }
    std::vector<std::string> names;
    for (const Field& field : fields) names.push_back(field.name);
    for (const YamlNode& key : node.keys) {
      if (std::find(names.begin(), names.end(), key.text) == names.end()) {
        return Fail(key, absl::StrCat("unknown key in ", what,
                                      cel::Suggest(key.text, names)));
      }
    }
    for (const Field& field : fields) {
      const auto key =
          std::find_if(node.keys.begin(), node.keys.end(),
                       [&](const YamlNode& k) { return k.text == field.name; });
      if (key == node.keys.end()) {
        if (!field.required) continue;
        return Fail(node, absl::StrCat(what, " lacks '", field.name, "'"));
      }
      const auto at = static_cast<size_t>(key - node.keys.begin());
      if (!field.read(node.items[at])) return false;
    }
    return true;
  }

  bool List(const YamlNode& node, absl::string_view what, size_t least,
            size_t most, const Reader& read) {
    if (node.kind != YamlNode::Kind::kList) {
      return Fail(node, absl::StrCat(what, " is not a list"));
    }
    if (node.items.size() < least || node.items.size() > most) {
      return Fail(node, absl::StrCat(what, ": ", node.items.size(),
                                     " entries, want ", least, " to ", most));
    }
    return std::all_of(node.items.begin(), node.items.end(), read);
  }

  bool Text(const YamlNode& node, absl::string_view what, std::string& out) {
    if (node.kind != YamlNode::Kind::kScalar || node.text.empty()) {
      return Fail(node, absl::StrCat(what, " is not text"));
    }
    if (node.text.size() > kTextBytesMax) {
      return Fail(node, absl::StrCat(what, ": ", node.text.size(),
                                     " bytes, want at most ", kTextBytesMax));
    }
    out = node.text;
    return true;
  }

  bool Name(const YamlNode& node, absl::string_view what, std::string& out) {
    if (node.kind != YamlNode::Kind::kScalar || !IsName(node.text)) {
      return Fail(
          node,
          absl::StrCat(what, " is not a name, want 1 to ", kPolicyNameSizeMax,
                       " of a-z 0-9 . _ -, not first a dot or dash"));
    }
    out = node.text;
    return true;
  }

  bool Bool(const YamlNode& node, absl::string_view what, bool& out) {
    out = node.text == "true";
    return node.kind == YamlNode::Kind::kScalar && (out || node.text == "false")
               ? true
               : Fail(node, absl::StrCat(what, " is not true or false"));
  }

  template <typename T>
  bool Number(const YamlNode& node, absl::string_view what, int64_t most,
              T& out) {
    int64_t value = 0;
    const bool digits =
        node.kind == YamlNode::Kind::kScalar && !node.text.empty() &&
        node.text.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || !absl::SimpleAtoi(node.text, &value) || value < 1 ||
        value > most) {
      return Fail(node,
                  absl::StrCat(what, " is not a number from 1 to ", most));
    }
    out = value;
    return true;
  }

  template <typename T>
  bool Seconds(const YamlNode& node, absl::string_view what,
               absl::Duration least, absl::Duration most, T& out) {
    absl::Duration value;
    // Letters of h, m and s alone keep out abseil's "inf" and fractions.
    const bool simple =
        node.kind == YamlNode::Kind::kScalar &&
        node.text.find_first_not_of("0123456789hms") == std::string::npos;
    if (!simple || !absl::ParseDuration(node.text, &value) || value < least ||
        value > most || value != absl::Trunc(value, absl::Seconds(1))) {
      return Fail(node, absl::StrCat(what,
                                     " is not a duration in whole seconds "
                                     "such as 1h30m, from ",
                                     absl::FormatDuration(least), " to ",
                                     absl::FormatDuration(most)));
    }
    out = absl::ToInt64Seconds(value);
    return true;
  }

  bool Time(const YamlNode& node, absl::string_view what,
            std::optional<int64_t>& out) {
    absl::Time time;
    std::string ignored;
    // abseil also takes spaces, long years and "infinite-future"; fractions
    // would be lost, for terms count seconds.
    const bool plain =
        node.kind == YamlNode::Kind::kScalar && node.text.size() >= 20 &&
        node.text[4] == '-' && node.text[10] == 'T' &&
        node.text.find_first_not_of("0123456789-+:TZ") == std::string::npos;
    if (!plain ||
        !absl::ParseTime(absl::RFC3339_full, node.text, &time, &ignored)) {
      return Fail(node, absl::StrCat(what,
                                     " is not an RFC 3339 time such as "
                                     "2025-01-01T00:00:00Z"));
    }
    // Zero stands for "no bound" in records of the terms, and must not be made
    // by a bound.
    if (absl::ToUnixSeconds(time) < 1) {
      return Fail(node, absl::StrCat(what, " is before 1970"));
    }
    out = absl::ToUnixSeconds(time);
    return true;
  }

  bool Document(const YamlNode& root) {
    const auto bind = [this](bool (Compiler::*read)(const YamlNode&)) {
      return [this, read](const YamlNode& node) { return (this->*read)(node); };
    };
    return Map(
        root, "policy",
        {{"name", true,
          [this](const YamlNode& node) {
            return Name(node, "name", body_->name);
          }},
         {"description", false,
          [this](const YamlNode& node) {
            return Text(node, "description", body_->description);
          }},
         {"evidence", true, bind(&Compiler::Evidence)},
         {"anchors", false, bind(&Compiler::Anchors)},
         {"max_collateral_age", false, bind(&Compiler::MaxCollateralAge)},
         {"allow_debug", false,
          [this](const YamlNode& node) {
            return Bool(node, "allow_debug", body_->allow_debug);
          }},
         {"allow_tcb_status", false, bind(&Compiler::AllowTcbStatus)},
         {"allow_unmatched_gpu", false,
          [this](const YamlNode& node) {
            return Bool(node, "allow_unmatched_gpu",
                        body_->allow_unmatched_gpu);
          }},
         {"allow_uncertified_vtpm", false,
          [this](const YamlNode& node) {
            return Bool(node, "allow_uncertified_vtpm",
                        body_->allow_uncertified_vtpm);
          }},
         {"reference", false, bind(&Compiler::References)},
         {"rules", true, bind(&Compiler::Rules)},
         {"release", true, bind(&Compiler::Release)},
         {"valid", false, bind(&Compiler::Valid)}});
  }

  bool Evidence(const YamlNode& node) {
    return List(node, "evidence", 1, v1::EvidenceType_ARRAYSIZE,
                [this](const YamlNode& item) {
                  EvidenceRequirement requirement;
                  if (!Map(item, "evidence",
                           {{"type", true,
                             [&](const YamlNode& type) {
                               return Type(type, requirement.type);
                             }},
                            {"count", true, [&](const YamlNode& count) {
                               return Number(count, "count", kEvidenceCountMax,
                                             requirement.count);
                             }}})) {
                    return false;
                  }
                  for (const EvidenceRequirement& other : body_->evidence) {
                    if (other.type == requirement.type) {
                      return Fail(item, "evidence type is repeated");
                    }
                  }
                  body_->evidence.push_back(requirement);
                  return true;
                });
  }

  bool Type(const YamlNode& node, v1::EvidenceType& out) {
    const auto* descriptor = v1::EvidenceType_descriptor();
    std::vector<std::string> names;
    for (int i = 0; i < descriptor->value_count(); ++i) {
      const auto* value = descriptor->value(i);
      if (value->number() == v1::EVIDENCE_TYPE_UNSPECIFIED) continue;
      names.push_back(EvidenceTypeName(value->name()));
      if (node.kind == YamlNode::Kind::kScalar && node.text == names.back()) {
        out = static_cast<v1::EvidenceType>(value->number());
        return true;
      }
    }
    return Fail(node, absl::StrCat("unknown evidence type, want one of ",
                                   absl::StrJoin(names, ", "),
                                   cel::Suggest(node.text, names)));
  }

  // An empty list is refused: it reads as "none", and must not mean "default".
  bool Anchors(const YamlNode& node) {
    return List(node, "anchors", 1, kAnchorsMax, [this](const YamlNode& item) {
      std::string name;
      if (!Name(item, "anchor", name)) return false;
      if (std::find(body_->anchors.begin(), body_->anchors.end(), name) !=
          body_->anchors.end()) {
        return Fail(item, "anchor is repeated");
      }
      body_->anchors.push_back(std::move(name));
      return true;
    });
  }

  bool MaxCollateralAge(const YamlNode& node) {
    std::vector<Field> fields;
    for (const absl::string_view role : kCollateralRoles) {
      fields.push_back(
          {std::string(role), false, [this, role](const YamlNode& age) {
             int64_t seconds = 0;
             if (!Seconds(age, role, kCollateralAgeMin, kCollateralAgeMax,
                          seconds)) {
               return false;
             }
             body_->max_collateral_age[std::string(role)] =
                 absl::Seconds(seconds);
             return true;
           }});
    }
    if (!Map(node, "max_collateral_age", fields)) return false;
    return !body_->max_collateral_age.empty() ||
           Fail(node, "max_collateral_age names no role");
  }

  bool AllowTcbStatus(const YamlNode& node) {
    return List(
        node, "allow_tcb_status", 1, std::size(kTcbStatusesAllowable),
        [this](const YamlNode& item) {
          if (std::find(std::begin(kTcbStatusesAllowable),
                        std::end(kTcbStatusesAllowable),
                        absl::string_view(item.text)) ==
              std::end(kTcbStatusesAllowable)) {
            return Fail(
                item, absl::StrCat("not a TCB status that can be allowed, want "
                                   "one of ",
                                   absl::StrJoin(kTcbStatusesAllowable, ", "),
                                   cel::Suggest(item.text,
                                                Names(kTcbStatusesAllowable))));
          }
          body_->allow_tcb_status.push_back(item.text);
          return true;
        });
  }

  bool References(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::kMap) {
      return Fail(node, "reference is not a map");
    }
    if (node.keys.size() > kReferenceSetsMax) {
      return Fail(node,
                  absl::StrCat("reference: ", node.keys.size(),
                               " sets, want at most ", kReferenceSetsMax));
    }
    for (size_t i = 0; i < node.keys.size(); ++i) {
      if (!IsSetName(node.keys[i].text)) {
        return Fail(node.keys[i],
                    "name of a reference set is not an identifier, want a-z "
                    "0-9 _");
      }
      Reference reference;
      reference.name = node.keys[i].text;
      std::vector<std::string> values;
      const bool read = node.items[i].kind == YamlNode::Kind::kMap
                            ? StoredSet(node.items[i], reference)
                            : List(node.items[i], "reference set", 0,
                                   kYamlNodesMax, [&](const YamlNode& item) {
                                     return ReferenceValue(item, values);
                                   });
      if (!read) return false;
      body_->reference_bytes.push_back(std::move(values));
      body_->references.push_back(std::move(reference));
    }
    const auto stored =
        std::count_if(body_->references.begin(), body_->references.end(),
                      [](const Reference& r) { return !r.set.empty(); });
    if (static_cast<size_t>(stored) > kStoredSetsMax) {
      return Fail(node,
                  absl::StrCat("reference: ", stored,
                               " stored sets, want at most ", kStoredSetsMax));
    }
    for (const auto& set : body_->reference_bytes) {
      std::vector<cel::Value> values;
      for (const std::string& bytes : set) {
        values.push_back(cel::Value::Bytes(bytes));
      }
      body_->reference_values.push_back(std::move(values));
    }
    for (const auto& values : body_->reference_values) {
      body_->reference_lists.push_back(cel::Value::List(values));
    }
    return true;
  }

  // {set: guest-images, signed_by: [acme-release]}
  bool StoredSet(const YamlNode& node, Reference& reference) {
    return Map(
        node, "reference set",
        {{"set", true,
          [&](const YamlNode& n) { return Name(n, "set", reference.set); }},
         {"signed_by", false, [&](const YamlNode& list) {
            // An empty list reads as "nobody", and must not mean "anybody".
            return List(list, "signed_by", 1, kSignersMax,
                        [&](const YamlNode& item) {
                          std::string name;
                          if (!Name(item, "signed_by", name)) return false;
                          reference.signed_by.push_back(std::move(name));
                          return true;
                        });
          }}});
  }

  bool ReferenceValue(const YamlNode& node, std::vector<std::string>& out) {
    if (node.kind == YamlNode::Kind::kScalar && !node.text.empty() &&
        node.text.size() <= 2 * kReferenceBytesMax) {
      auto bytes = Unhex(node.text);
      if (bytes.ok()) {
        out.push_back(*std::move(bytes));
        return true;
      }
    }
    return Fail(node, absl::StrCat("reference value is not hex of 1 to ",
                                   kReferenceBytesMax, " bytes"));
  }

  bool Rules(const YamlNode& node) {
    cel::Environment environment("kms.v1");
    environment.set_homogeneous_literals(true);
    // In the order of Appraise's values.
    environment.AddVariable("claims",
                            cel::Type::Message(v1::Claims::descriptor()));
    environment.AddVariable(
        "request", cel::Type::Message(v1::RequestContext::descriptor()));
    environment.AddVariable("now", cel::Type::Kind::kTimestamp);
    for (const Reference& reference : body_->references) {
      environment.AddVariable("reference." + reference.name,
                              cel::Type::List(cel::Type::Kind::kBytes));
    }
    environment.AddEnum(v1::EvidenceType_descriptor());
    EvidenceTypes types;
    for (const EvidenceRequirement& required : body_->evidence) {
      types.push_back(required.type);
    }
    const ListSizes lists = SizesOfLists();
    return List(node, "rules", 1, kRulesMax, [&](const YamlNode& item) {
      return OneRule(item, environment, types, lists);
    });
  }

  // Of the lists that the document has itself.
  ListSizes SizesOfLists() const {
    ListSizes lists;
    for (size_t i = 0; i < body_->references.size(); ++i) {
      if (!body_->references[i].set.empty()) continue;
      std::vector<size_t>& sizes = lists[body_->references[i].name];
      for (const std::string& value : body_->reference_bytes[i]) {
        sizes.push_back(value.size());
      }
    }
    return lists;
  }

  bool OneRule(const YamlNode& node, const cel::Environment& environment,
               const EvidenceTypes& types, const ListSizes& lists) {
    std::string id;
    std::string message;
    const YamlNode* expression = nullptr;
    const bool read =
        Map(node, "rule",
            {{"id", true, [&](const YamlNode& n) { return Name(n, "id", id); }},
             {"expr", true,
              [&](const YamlNode& n) {
                expression = &n;
                return n.kind == YamlNode::Kind::kScalar ||
                       Fail(n, "expr is not text");
              }},
             {"message", true,
              [&](const YamlNode& n) { return Text(n, "message", message); }}});
    if (!read) return false;
    for (const Rule& other : body_->rules) {
      if (other.id == id) {
        return Fail(node, absl::StrCat("rule id '", id, "' is repeated"));
      }
    }
    if (!CommentEndsTheText(id, *expression)) return false;
    cel::Issue issue;
    auto program = cel::Program::Compile(expression->text, environment,
                                         cel::Type::Kind::kBool, issue);
    if (!program.has_value()) {
      return issue_.Raise(
          OffsetInScalar(body_->source, *expression, issue.offset()),
          absl::StrCat("rule ", id, ": ", issue.text()));
    }
    if (const auto fault = FindRuleFault(expression->text, types, lists);
        fault.has_value()) {
      return issue_.Raise(
          OffsetInScalar(body_->source, *expression, fault->offset),
          absl::StrCat("rule ", id, ": ", fault->text));
    }
    body_->rules.push_back(
        {std::move(id), std::move(message), *expression, *std::move(program)});
    return true;
  }

  // YAML joins the lines of all scalars but those after "|". A comment would
  // go on over the next condition, and the rule hold without it.
  bool CommentEndsTheText(const std::string& id, const YamlNode& expression) {
    const auto comment = cel::FindComment(expression.text);
    const absl::string_view document = body_->source;
    if (!comment.has_value() || document[expression.offset] == '|') return true;
    const uint32_t begin = OffsetInScalar(document, expression, *comment);
    const uint32_t end = OffsetInScalar(
        document, expression, static_cast<uint32_t>(expression.text.size()));
    if (document.substr(begin, end - begin).find('\n') ==
        absl::string_view::npos) {
      return true;
    }
    return issue_.Raise(
        begin, absl::StrCat("rule ", id,
                            ": comment goes on over the next line, which YAML "
                            "joins with its own; write expr: |"));
  }

  bool Release(const YamlNode& node) {
    PolicyTerms& terms = body_->terms;
    return Map(node, "release",
               {{"lease", true,
                 [&](const YamlNode& n) {
                   return Seconds(n, "lease", kLeaseMin, kLeaseMax,
                                  terms.lease_seconds);
                 }},
                {"concurrent", false,
                 [&](const YamlNode& n) {
                   return Number(n, "concurrent", kConcurrentMax,
                                 terms.concurrent);
                 }},
                {"quota", false, [&](const YamlNode& quota) {
                   return Map(quota, "quota",
                              {{"count", true,
                                [&](const YamlNode& n) {
                                  return Number(n, "count", kQuotaCountMax,
                                                terms.quota_count);
                                }},
                               {"window", true, [&](const YamlNode& n) {
                                  return Seconds(n, "window", kQuotaWindowMin,
                                                 kQuotaWindowMax,
                                                 terms.window_seconds);
                                }}});
                 }}});
  }

  bool Valid(const YamlNode& node) {
    PolicyTerms& terms = body_->terms;
    if (!Map(node, "valid",
             {{"from", false,
               [&](const YamlNode& n) {
                 return Time(n, "from", terms.valid_from);
               }},
              {"until", false, [&](const YamlNode& n) {
                 return Time(n, "until", terms.valid_until);
               }}})) {
      return false;
    }
    if (!terms.valid_from.has_value() && !terms.valid_until.has_value()) {
      return Fail(node, "valid has neither from nor until");
    }
    if (terms.valid_from.has_value() && terms.valid_until.has_value() &&
        *terms.valid_from >= *terms.valid_until) {
      return Fail(node, "valid: from is not before until");
    }
    return true;
  }

  cel::Issue issue_;
  std::shared_ptr<CompiledPolicy::Body> body_ =
      std::make_shared<CompiledPolicy::Body>();
};

absl::StatusOr<CompiledPolicy> Compile(absl::string_view yaml) {
  return Compiler(yaml).Run();
}

}  // namespace kms::policy
