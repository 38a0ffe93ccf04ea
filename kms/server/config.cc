#include "kms/server/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"

namespace kms::server {
namespace {

// A name in a message: what an operator mistyped, made harmless to a terminal.
std::string Shown(absl::string_view text) {
  std::string shown(text.substr(0, 64));
  for (char& c : shown) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return absl::StrCat("\"", shown, "\"");
}

// Levenshtein's distance, for "did you mean".
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

class Faults {
 public:
  explicit Faults(absl::string_view file) : file_(file) {}

  // `mark` counts from zero; people count from one.
  void Add(const YAML::Mark& mark, absl::string_view key,
           absl::string_view fault) {
    faults_.emplace(
        std::make_pair(mark.line, mark.column),
        absl::StrCat(file_, ":", mark.line + 1, ":", mark.column + 1, ": ", key,
                     key.empty() ? "" : ": ", fault));
  }

  absl::Status status() const {
    if (faults_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrJoin(faults_, "\n", [](std::string* out, const auto& fault) {
          absl::StrAppend(out, fault.second);
        }));
  }

 private:
  std::string file_;
  std::multimap<std::pair<int, int>, std::string> faults_;
};

enum class Need { kRequired, kOptional };

// One mapping of the file and what it may hold. Each key is described by one
// call of Key; Check then walks what the file has.
class Mapping {
 public:
  using ReadFn = std::function<void(const YAML::Node&, const std::string&)>;

  Mapping(std::string path, Faults& faults)
      : path_(std::move(path)), faults_(faults) {}

  Mapping& Key(absl::string_view name, Need need, ReadFn read) {
    keys_.emplace(std::string(name), Entry{need, std::move(read)});
    return *this;
  }

  void Check(const YAML::Node& node) {
    if (!node.IsMap()) {
      faults_.Add(node.Mark(), path_, "want a mapping of keys");
      return;
    }
    std::set<std::string> seen;
    for (const auto& item : node) CheckItem(item.first, item.second, seen);
    for (const auto& [name, entry] : keys_) {
      if (entry.need == Need::kRequired && seen.count(name) == 0) {
        faults_.Add(node.Mark(), Path(name), "missing, and has no default");
      }
    }
  }

 private:
  struct Entry {
    Need need;
    ReadFn read;
  };

  std::string Path(absl::string_view name) const {
    return absl::StrCat(path_, path_.empty() ? "" : ".", name);
  }

  void CheckItem(const YAML::Node& key, const YAML::Node& value,
                 std::set<std::string>& seen) {
    if (!key.IsScalar()) {
      faults_.Add(key.Mark(), path_, "want a key that is a word");
      return;
    }
    const std::string& name = key.Scalar();
    const auto found = keys_.find(name);
    if (found == keys_.end()) {
      faults_.Add(key.Mark(), path_,
                  absl::StrCat("unknown key ", Shown(name), Suggestion(name)));
      return;
    }
    if (!seen.insert(name).second) {
      faults_.Add(key.Mark(), Path(name), "given twice");
      return;
    }
    found->second.read(value, Path(name));
  }

  std::string Suggestion(absl::string_view name) const {
    constexpr size_t kFarthest = 3;
    std::string nearest;
    size_t distance = kFarthest + 1;
    for (const auto& [known, entry] : keys_) {
      const size_t d = EditDistance(name.substr(0, 64), known);
      if (d < distance) {
        distance = d;
        nearest = known;
      }
    }
    if (!nearest.empty() && distance < nearest.size()) {
      return absl::StrCat(", did you mean \"", nearest, "\"?");
    }
    std::vector<std::string> names;
    for (const auto& [known, entry] : keys_) names.push_back(known);
    return absl::StrCat(", want one of ", absl::StrJoin(names, ", "));
  }

  std::string path_;
  Faults& faults_;
  std::map<std::string, Entry> keys_;
};

// PKCS #11's CK_TOKEN_INFO.label; and more than anybody types.
constexpr size_t kTokenLabelBytesMax = 32;
constexpr size_t kKeyLabelBytesMax = 64;

constexpr uint32_t kPcrsMax = 24;  // Of TPM 2.0's platform profile.

// Roles whose collateral says when it was issued.
constexpr const char* kAgedRoles[] = {"crl", "tcb_info", "qe_identity",
                                      "rim_driver", "rim_vbios"};

// The readers of single values. Each adds a fault or sets what it was given.
class Values {
 public:
  explicit Values(Faults& faults) : faults_(faults) {}

  Mapping::ReadFn Text(std::string& out) {
    return [this, &out](const YAML::Node& node, const std::string& key) {
      if (!node.IsScalar() || node.Scalar().empty()) {
        faults_.Add(node.Mark(), key, "want text that is not empty");
        return;
      }
      out = node.Scalar();
    };
  }

  Mapping::ReadFn AbsolutePath(std::string& out) {
    return [this, &out](const YAML::Node& node, const std::string& key) {
      if (!node.IsScalar() || node.Scalar().empty() ||
          node.Scalar()[0] != '/') {
        faults_.Add(node.Mark(), key,
                    "want an absolute path: the program's working directory "
                    "must not decide which file is meant");
        return;
      }
      out = node.Scalar();
    };
  }

  Mapping::ReadFn Texts(std::vector<std::string>& out, size_t size_min,
                        size_t size_max) {
    return [=, this, &out](const YAML::Node& node, const std::string& key) {
      if (!node.IsSequence() || node.size() < size_min ||
          node.size() > size_max) {
        faults_.Add(node.Mark(), key,
                    absl::StrCat("want a list of ", size_min, " to ", size_max,
                                 " texts"));
        return;
      }
      for (const YAML::Node& item : node) {
        if (!item.IsScalar() || item.Scalar().empty()) {
          faults_.Add(item.Mark(), key, "want text that is not empty");
        } else if (std::count(out.begin(), out.end(), item.Scalar()) != 0) {
          faults_.Add(item.Mark(), key, "listed twice");
        } else {
          out.push_back(item.Scalar());
        }
      }
    };
  }

  Mapping::ReadFn Addresses(std::vector<std::string>& out) {
    return [this, &out](const YAML::Node& node, const std::string& key) {
      Texts(out, 1, 16)(node, key);
      for (const YAML::Node& item : node) {
        if (item.IsScalar() && !IsAddress(item.Scalar())) {
          faults_.Add(item.Mark(), key, kWantAddress);
        }
      }
    };
  }

  Mapping::ReadFn Address(std::string& out) {
    return [this, &out](const YAML::Node& node, const std::string& key) {
      if (!node.IsScalar() || !IsAddress(node.Scalar())) {
        faults_.Add(node.Mark(), key, kWantAddress);
        return;
      }
      out = node.Scalar();
    };
  }

  Mapping::ReadFn Count(uint32_t& out, uint32_t min, uint32_t max) {
    return [=, this, &out](const YAML::Node& node, const std::string& key) {
      uint32_t value = 0;
      if (!node.IsScalar() || !absl::SimpleAtoi(node.Scalar(), &value) ||
          value < min || value > max) {
        faults_.Add(
            node.Mark(), key,
            absl::StrCat("want a whole number from ", min, " to ", max));
        return;
      }
      out = value;
    };
  }

  Mapping::ReadFn Rate(double& out, double min, double max) {
    return [=, this, &out](const YAML::Node& node, const std::string& key) {
      double value = 0;
      // Written so that "nan" is refused too.
      if (!node.IsScalar() || !absl::SimpleAtod(node.Scalar(), &value) ||
          !(value >= min && value <= max)) {
        faults_.Add(node.Mark(), key,
                    absl::StrCat("want a number from ", min, " to ", max));
        return;
      }
      out = value;
    };
  }

  Mapping::ReadFn Duration(absl::Duration& out, absl::Duration min,
                           absl::Duration max) {
    return [=, this, &out](const YAML::Node& node, const std::string& key) {
      absl::Duration value;
      if (!node.IsScalar() || !absl::ParseDuration(node.Scalar(), &value) ||
          value < min || value > max) {
        faults_.Add(node.Mark(), key,
                    absl::StrCat("want a duration such as 90s or 5m, from ",
                                 absl::FormatDuration(min), " to ",
                                 absl::FormatDuration(max)));
        return;
      }
      out = value;
    };
  }

  // Days may be said as "30d": collateral lives for months.
  Mapping::ReadFn MaxAge(const char* role,
                         std::map<std::string, absl::Duration>& out) {
    return [=, this, &out](const YAML::Node& node, const std::string& key) {
      const std::string text = node.IsScalar() ? node.Scalar() : "";
      absl::Duration value;
      uint32_t days = 0;
      const bool in_days =
          !text.empty() && text.back() == 'd' &&
          absl::SimpleAtoi(text.substr(0, text.size() - 1), &days);
      if (in_days) {
        value = absl::Hours(24) * days;
      } else if (!absl::ParseDuration(text, &value)) {
        value = absl::ZeroDuration();
      }
      if (value < absl::Hours(1) || value > absl::Hours(24 * 3660)) {
        faults_.Add(node.Mark(), key,
                    "want an age such as 30d or 36h, from 1h to 3660d");
        return;
      }
      out[role] = value;
    };
  }

  // A folder, so that files' names can follow. No user, query or fragment: the
  // URL stands in logs.
  Mapping::ReadFn HttpsUrl(std::string& out) {
    return [this, &out](const YAML::Node& node, const std::string& key) {
      constexpr absl::string_view kScheme = "https://";
      const std::string text = node.IsScalar() ? node.Scalar() : "";
      const bool plain =
          std::all_of(text.begin(), text.end(), [](unsigned char c) {
            return absl::ascii_isgraph(c) && c != '@' && c != '?' && c != '#' &&
                   c != '\\';
          });
      if (!plain || text.rfind(std::string(kScheme), 0) != 0 ||
          text.size() <= kScheme.size() || text[kScheme.size()] == '/' ||
          text.back() != '/' || text.size() > 1024) {
        faults_.Add(node.Mark(), key,
                    "want https://host[:port]/ or a folder under it, ending "
                    "in a slash");
        return;
      }
      out = text;
    };
  }

  // Of keys in etcd, where it stands before a slash.
  Mapping::ReadFn KeyPrefix(std::string& out) {
    return [this, &out](const YAML::Node& node, const std::string& key) {
      const std::string text = node.IsScalar() ? node.Scalar() : "";
      const bool plain =
          std::all_of(text.begin(), text.end(), [](unsigned char c) {
            return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' ||
                   c == '/';
          });
      if (!plain || text.empty() || text.size() > 128 || text.back() == '/') {
        faults_.Add(node.Mark(), key,
                    "want 1 to 128 of A-Z a-z 0-9 - _ . /, not ending in a "
                    "slash");
        return;
      }
      out = text;
    };
  }

  // Of a token or a key on it: they may hold blanks.
  Mapping::ReadFn Label(std::string& out, size_t size_max) {
    return [=, this, &out](const YAML::Node& node, const std::string& key) {
      const std::string text = node.IsScalar() ? node.Scalar() : "";
      if (text.empty() || text.size() > size_max || text.back() == ' ') {
        faults_.Add(node.Mark(), key,
                    absl::StrCat("want a label of 1 to ", size_max,
                                 " bytes, not ending in a blank"));
        return;
      }
      out = text;
    };
  }

  Mapping::ReadFn Pcrs(std::vector<uint32_t>& out) {
    return [this, &out](const YAML::Node& node, const std::string& key) {
      std::set<uint32_t> pcrs;
      bool good = node.IsSequence() && node.size() > 0;
      if (good) {
        for (const YAML::Node& item : node) {
          uint32_t pcr = 0;
          good = good && item.IsScalar() &&
                 absl::SimpleAtoi(item.Scalar(), &pcr) && pcr < kPcrsMax &&
                 pcrs.insert(pcr).second;
        }
      }
      if (!good) {
        faults_.Add(node.Mark(), key,
                    "want a list of PCRs, each once, from 0 to 23");
        return;
      }
      out.assign(pcrs.begin(), pcrs.end());
    };
  }

  // `size` bytes in hex.
  Mapping::ReadFn HexBytes(std::string& out, size_t size) {
    return [=, this, &out](const YAML::Node& node, const std::string& key) {
      const auto bytes = Unhex(node.IsScalar() ? node.Scalar() : "");
      if (!bytes.ok() || bytes->size() != size) {
        faults_.Add(node.Mark(), key,
                    absl::StrCat("want ", 2 * size, " hex digits"));
        return;
      }
      out = *bytes;
    };
  }

  template <typename T>
  Mapping::ReadFn OneOf(T& out, std::vector<std::pair<std::string, T>> names) {
    return [this, &out, names = std::move(names)](const YAML::Node& node,
                                                  const std::string& key) {
      for (const auto& [name, value] : names) {
        if (node.IsScalar() && node.Scalar() == name) {
          out = value;
          return;
        }
      }
      faults_.Add(node.Mark(), key,
                  absl::StrCat("want one of ",
                               absl::StrJoin(names, ", ",
                                             [](std::string* o, const auto& n) {
                                               absl::StrAppend(o, n.first);
                                             })));
    };
  }

 private:
  static constexpr char kWantAddress[] =
      "want host:port, with an IPv6 host in brackets and a port of 0 to 65535";

  static bool IsAddress(absl::string_view text) {
    const size_t colon = text.rfind(':');
    if (colon == absl::string_view::npos || colon == 0) return false;
    const absl::string_view host = text.substr(0, colon);
    const bool bracketed = host.front() == '[' && host.back() == ']';
    if (!bracketed && host.find(':') != absl::string_view::npos) return false;
    uint32_t port = 0;
    return absl::SimpleAtoi(text.substr(colon + 1), &port) &&
           port <= std::numeric_limits<uint16_t>::max();
  }

  Faults& faults_;
};

void DescribeCluster(Values& values, Faults& faults, ClusterConfig& cluster,
                     Mapping& mapping) {
  mapping.Key("listen", Need::kRequired, values.Address(cluster.listen))
      .Key("peers", Need::kRequired, values.Addresses(cluster.peers))
      .Key("certificate", Need::kRequired,
           values.AbsolutePath(cluster.certificate))
      .Key("private_key", Need::kRequired,
           values.AbsolutePath(cluster.private_key))
      .Key("ca", Need::kRequired, values.AbsolutePath(cluster.ca))
      .Key("release_guard", Need::kOptional,
           values.OneOf<bool>(cluster.majority_guard,
                              {{"none", false}, {"majority", true}}))
      .Key("development_token_file", Need::kOptional,
           values.AbsolutePath(cluster.development_token_file))
      .Key("join", Need::kOptional,
           [&v = values, &f = faults, &c = cluster](const YAML::Node& node,
                                                    const std::string& key) {
             Mapping join(key, f);
             join.Key("cluster_id", Need::kRequired,
                      v.HexBytes(c.join_cluster_id, 16))
                 .Key("identity_key", Need::kRequired,
                      v.HexBytes(c.join_identity_key, 32));
             join.Check(node);
           });
}

// Describes the keys of one seal, which each kind has its own of.
void DescribeSeal(Values& values, Faults& faults, seal::SealOptions& seal,
                  Mapping& mapping) {
  mapping
      .Key("kind", Need::kRequired,
           values.OneOf<seal::SealKind>(
               seal.kind, {{"shamir", seal::SealKind::kShamir},
                           {"development", seal::SealKind::kDevelopment},
                           {"pkcs11", seal::SealKind::kPkcs11},
                           {"tpm", seal::SealKind::kTpm}}))
      .Key("key_file", Need::kOptional, values.AbsolutePath(seal.key_file))
      .Key("pkcs11", Need::kOptional,
           [&v = values, &f = faults, &p = seal.pkcs11](
               const YAML::Node& node, const std::string& key) {
             Mapping pkcs11(key, f);
             pkcs11.Key("module", Need::kRequired, v.AbsolutePath(p.module))
                 .Key("token", Need::kRequired,
                      v.Label(p.token, kTokenLabelBytesMax))
                 .Key("pin_file", Need::kRequired, v.AbsolutePath(p.pin_file))
                 .Key("key", Need::kRequired,
                      v.Label(p.key, kKeyLabelBytesMax));
             pkcs11.Check(node);
           })
      .Key("tpm", Need::kOptional,
           [&v = values, &f = faults, &t = seal.tpm](const YAML::Node& node,
                                                     const std::string& key) {
             Mapping tpm(key, f);
             tpm.Key("tcti", Need::kRequired, v.Text(t.tcti))
                 .Key("pcrs", Need::kRequired, v.Pcrs(t.pcrs));
             tpm.Check(node);
           });
}

// Each kind has what it needs, and nothing of another's: a line that has no
// effect would be believed to have one.
void CheckSeal(const seal::SealOptions& seal, const YAML::Node& node,
               const std::string& key, Faults& faults) {
  const struct {
    const char* name;
    bool given;
    seal::SealKind kind;
  } parts[] = {
      {"key_file", !seal.key_file.empty(), seal::SealKind::kDevelopment},
      {"pkcs11", !seal.pkcs11.module.empty(), seal::SealKind::kPkcs11},
      {"tpm", !seal.tpm.tcti.empty(), seal::SealKind::kTpm},
  };
  for (const auto& part : parts) {
    if (part.given == (part.kind == seal.kind)) continue;
    const absl::string_view kind = seal::SealKindName(part.kind);
    faults.Add(node.Mark(), key,
               part.given
                   ? absl::StrCat(part.name, " is only for kind ", kind)
                   : absl::StrCat("kind ", kind, " needs a ", part.name));
  }
}

void ReadSeal(Values& values, Faults& faults, Config& config,
              const YAML::Node& node, const std::string& key) {
  Mapping mapping(key, faults);
  DescribeSeal(values, faults, config.seal, mapping);
  mapping.Key(
      "before", Need::kOptional,
      [&](const YAML::Node& before_node, const std::string& before_key) {
        seal::SealOptions& before = config.seal_before.emplace();
        Mapping before_mapping(before_key, faults);
        DescribeSeal(values, faults, before, before_mapping);
        before_mapping.Check(before_node);
        CheckSeal(before, before_node, before_key, faults);
      });
  mapping.Check(node);
  CheckSeal(config.seal, node, key, faults);
  if (!config.seal_before.has_value()) return;
  if (config.seal_before->kind == config.seal.kind) {
    faults.Add(node.Mark(), key,
               "before is of the same kind; a root key moves to another kind");
  } else if (config.seal.kind == seal::SealKind::kDevelopment) {
    faults.Add(node.Mark(), key, "a root key moves to no development seal");
  }
}

void ReadConfig(const YAML::Node& root, Faults& faults, Config& config) {
  Values values(faults);
  const auto nested = [&faults](std::function<void(Mapping&)> describe) {
    return [&faults, describe](const YAML::Node& node, const std::string& key) {
      Mapping mapping(key, faults);
      describe(mapping);
      mapping.Check(node);
    };
  };
  // Of the ways to attest there is one.
  const auto alone = [&](Mapping::ReadFn read) {
    return [&, read](const YAML::Node& node, const std::string& key) {
      if (config.attester.built_in.empty() && config.attester.command.empty()) {
        return read(node, key);
      }
      faults.Add(node.Mark(), key, "want one of attester and attester_command");
    };
  };
  Mapping("", faults)
      .Key("listen", Need::kRequired, values.Addresses(config.listen))
      .Key("data_dir", Need::kRequired, values.AbsolutePath(config.data_dir))
      .Key("tls", Need::kRequired, nested([&](Mapping& tls) {
             tls.Key("certificate", Need::kRequired,
                     values.AbsolutePath(config.tls.certificate))
                 .Key("private_key", Need::kRequired,
                      values.AbsolutePath(config.tls.private_key))
                 .Key("administrators_ca", Need::kRequired,
                      values.AbsolutePath(config.tls.administrators_ca));
           }))
      .Key("administrators", Need::kRequired,
           values.Texts(config.administrators, 0, 1024))
      .Key("seal", Need::kRequired,
           [&](const YAML::Node& node, const std::string& key) {
             ReadSeal(values, faults, config, node, key);
           })
      .Key("simulated_anchors", Need::kOptional,
           values.Texts(config.simulated_anchors, 0, 64))
      .Key("collateral", Need::kOptional,
           [&](const YAML::Node& node, const std::string& key) {
             CollateralConfig& collateral = config.collateral;
             nested([&](Mapping& mapping) {
               mapping
                   .Key("max_age", Need::kOptional, nested([&](Mapping& ages) {
                          for (const char* role : kAgedRoles) {
                            ages.Key(role, Need::kOptional,
                                     values.MaxAge(role, collateral.max_ages));
                          }
                        }))
                   .Key("mirror", Need::kOptional, nested([&](Mapping& mirror) {
                          CollateralMirror& m = collateral.mirror;
                          mirror
                              .Key("url", Need::kRequired,
                                   values.HttpsUrl(m.url))
                              .Key("ca_file", Need::kRequired,
                                   values.AbsolutePath(m.ca_file))
                              .Key("interval", Need::kOptional,
                                   values.Duration(m.interval, absl::Minutes(1),
                                                   absl::Hours(7 * 24)));
                        }));
             })(node, key);
           })
      .Key("attester", Need::kOptional,
           alone(values.OneOf<std::string>(
               config.attester.built_in,
               {{"sev-snp", "sev-snp"}, {"tdx", "tdx"}})))
      .Key("attester_command", Need::kOptional,
           alone(values.AbsolutePath(config.attester.command)))
      .Key("attester_timeout", Need::kOptional,
           values.Duration(config.attester.timeout, absl::Seconds(1),
                           absl::Minutes(10)))
      .Key("cluster", Need::kOptional, nested([&](Mapping& mapping) {
             DescribeCluster(values, faults, config.cluster, mapping);
           }))
      .Key("limits", Need::kOptional, nested([&](Mapping& limits) {
             Limits& l = config.limits;
             limits
                 .Key("requests_in_flight", Need::kOptional,
                      values.Count(l.requests_in_flight, 1, 4096))
                 .Key("challenges_per_second", Need::kOptional,
                      values.Rate(l.challenges_per_second, 0.1, 100000))
                 .Key("releases_per_second", Need::kOptional,
                      values.Rate(l.releases_per_second, 0.1, 100000))
                 .Key(
                     "request_bytes", Need::kOptional,
                     values.Count(l.request_bytes, 64 * 1024, 4 * 1024 * 1024));
           }))
      .Key("evidence_retention", Need::kOptional,
           values.Duration(config.evidence_retention, absl::ZeroDuration(),
                           absl::Hours(10 * 366 * 24)))
      .Key("destruction_wait_min", Need::kOptional,
           values.Duration(config.destruction_wait_min, absl::ZeroDuration(),
                           absl::Hours(366 * 24)))
      .Key("scrub_interval", Need::kOptional,
           values.Duration(config.scrub_interval, absl::Minutes(1),
                           absl::Hours(90 * 24)))
      .Key("challenge_ttl", Need::kOptional,
           values.Duration(config.challenge_ttl, absl::Seconds(10),
                           absl::Minutes(30)))
      .Key("log", Need::kOptional, nested([&](Mapping& log) {
             log.Key("level", Need::kOptional,
                     values.OneOf<LogLevel>(config.log_level,
                                            {{"debug", LogLevel::kDebug},
                                             {"info", LogLevel::kInfo},
                                             {"warning", LogLevel::kWarning},
                                             {"error", LogLevel::kError}}))
                 .Key("file", Need::kOptional,
                      values.AbsolutePath(config.log_file))
                 .Key("etcd", Need::kOptional, nested([&](Mapping& mapping) {
                        EtcdConfig& etcd = config.etcd.emplace();
                        mapping
                            .Key("endpoints", Need::kRequired,
                                 values.Addresses(etcd.endpoints))
                            .Key("ca_file", Need::kRequired,
                                 values.AbsolutePath(etcd.ca_file))
                            .Key("certificate_file", Need::kRequired,
                                 values.AbsolutePath(etcd.certificate_file))
                            .Key("key_file", Need::kRequired,
                                 values.AbsolutePath(etcd.key_file))
                            .Key("prefix", Need::kOptional,
                                 values.KeyPrefix(etcd.prefix));
                      }));
           }))
      .Key("metrics", Need::kOptional, nested([&](Mapping& metrics) {
             metrics.Key("listen", Need::kRequired,
                         values.Address(config.metrics_listen));
           }))
      .Key("drain_timeout", Need::kOptional,
           values.Duration(config.drain_timeout, absl::Seconds(1),
                           absl::Minutes(10)))
      .Key("on_fatal", Need::kOptional,
           values.OneOf<OnFatal>(config.on_fatal,
                                 {{"answer_status", OnFatal::kAnswerStatus},
                                  {"exit", OnFatal::kExit}}))
      .Check(root);
}

}  // namespace

absl::StatusOr<Config> ParseConfig(absl::string_view yaml,
                                   absl::string_view file) {
  Faults faults(file);
  if (yaml.size() > kConfigBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        file, ": ", yaml.size(), " bytes, want at most ", kConfigBytesMax));
  }
  Config config;
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(yaml));
    if (documents.size() != 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          file, ": ", documents.size(), " YAML documents, want 1"));
    }
    ReadConfig(documents[0], faults, config);
  } catch (const YAML::Exception& error) {
    faults.Add(error.mark, "", absl::StrCat("not YAML: ", error.msg));
  }
  KMS_RETURN_IF_ERROR(faults.status());
  return config;
}

absl::StatusOr<Config> LoadConfig(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return errno == ENOENT
               ? absl::NotFoundError(absl::StrCat(path, ": no such file"))
               : absl::UnavailableError(absl::StrCat(
                     path, ": cannot be read (errno ", errno, ")"));
  }
  std::string yaml(kConfigBytesMax + 1, '\0');
  in.read(yaml.data(), static_cast<std::streamsize>(yaml.size()));
  yaml.resize(static_cast<size_t>(in.gcount()));
  return ParseConfig(yaml, path);
}

}  // namespace kms::server
