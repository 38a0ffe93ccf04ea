// Any proto message as JSON for people and scripts: fields in number order and
// by their proto names, bytes as lowercase hex, 64-bit integers as numbers,
// evidence types as bundle.json names them ("sev-snp"), other enums as their
// names, maps as objects. Scalars are printed even at their default, so that a
// reader sees "debug": false; absent messages are left out. Thread-safe: a free
// function. Not protobuf's own JSON mapping.
#ifndef KMS_BASE_PROTO_JSON_H_
#define KMS_BASE_PROTO_JSON_H_

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>

namespace kms {

nlohmann::ordered_json ProtoToJson(const google::protobuf::Message& message);

}  // namespace kms

#endif  // KMS_BASE_PROTO_JSON_H_
