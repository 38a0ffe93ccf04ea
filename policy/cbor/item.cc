#include "policy/cbor/item.h"

#include <cbor.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "policy/cbor/limits.h"
#include "policy/cbor/writer.h"
#include "policy/cel/utf8.h"

namespace kms::cbor {
namespace {

constexpr uint8_t kTagHead = 6 << 5;       // Major type 6.
constexpr uint8_t kOneByteArguments = 24;  // 0 to 23 are in the head itself.

// What the decoder made of one head and, for a string, of its content.
struct Head {
  enum class Kind { kItem, kIndefinite, kBreak, kRefused };
  Kind kind = Kind::kRefused;
  Type type = Type::kNull;
  uint64_t argument = 0;
  BytesView content;
};

void Set(void* context, Type type, uint64_t argument) {
  Head& head = *static_cast<Head*>(context);
  head.kind = Head::Kind::kItem;
  head.type = type;
  head.argument = argument;
}

template <Type type, typename Number>
void OnNumber(void* context, Number number) {
  Set(context, type, number);
}
template <Type type>
void OnString(void* context, cbor_data data, size_t size) {
  Set(context, type, size);
  static_cast<Head*>(context)->content = BytesView(data, size);
}
template <Type type>
void OnIndefinite(void* context) {
  Set(context, type, 0);
  static_cast<Head*>(context)->kind = Head::Kind::kIndefinite;
}
void OnBreak(void* context) {
  static_cast<Head*>(context)->kind = Head::Kind::kBreak;
}
void OnNull(void* context) { Set(context, Type::kNull, 0); }

// Floats, undefined and strings in chunks keep the callbacks that do nothing,
// which leaves the head refused.
cbor_callbacks Callbacks() {
  cbor_callbacks callbacks = cbor_empty_callbacks;
  callbacks.uint8 = OnNumber<Type::kUnsigned, uint8_t>;
  callbacks.uint16 = OnNumber<Type::kUnsigned, uint16_t>;
  callbacks.uint32 = OnNumber<Type::kUnsigned, uint32_t>;
  callbacks.uint64 = OnNumber<Type::kUnsigned, uint64_t>;
  callbacks.negint8 = OnNumber<Type::kNegative, uint8_t>;
  callbacks.negint16 = OnNumber<Type::kNegative, uint16_t>;
  callbacks.negint32 = OnNumber<Type::kNegative, uint32_t>;
  callbacks.negint64 = OnNumber<Type::kNegative, uint64_t>;
  callbacks.byte_string = OnString<Type::kBytes>;
  callbacks.string = OnString<Type::kText>;
  callbacks.array_start = OnNumber<Type::kArray, size_t>;
  callbacks.map_start = OnNumber<Type::kMap, size_t>;
  callbacks.indef_array_start = OnIndefinite<Type::kArray>;
  callbacks.indef_map_start = OnIndefinite<Type::kMap>;
  callbacks.tag = OnNumber<Type::kTag, uint64_t>;
  callbacks.boolean = OnNumber<Type::kBool, bool>;
  callbacks.null = OnNull;
  callbacks.indef_break = OnBreak;
  return callbacks;
}

size_t ShortestHead(uint64_t argument) {
  if (argument < kOneByteArguments) return 1;
  if (argument <= 0xff) return 2;
  if (argument <= 0xffff) return 3;
  return argument <= 0xffffffff ? 5 : 9;
}

bool IsKey(const Item& item) {
  return item.type() == Type::kUnsigned || item.type() == Type::kNegative ||
         item.type() == Type::kText;
}

}  // namespace

class Parser {
 public:
  Parser(BytesView bytes, const Rules& rules) : rest_(bytes), rules_(rules) {}

  bool ParseAll(Item& item) {
    if (!ParseItem(0, item)) return false;
    return rest_.empty() || Fail("bytes after its end");
  }
  absl::string_view fault() const { return fault_; }

 private:
  bool Fail(absl::string_view fault) {
    fault_ = fault;
    return false;
  }

  bool ReadHead(Head& head) {
    static const cbor_callbacks kCallbacks = Callbacks();
    // libcbor 0.8 refuses the one-byte heads of tags 6 to 20 as unassigned,
    // and COSE_Sign1 is 18.
    if (!rest_.empty() && rest_[0] >= kTagHead &&
        rest_[0] < kTagHead + kOneByteArguments) {
      Set(&head, Type::kTag, rest_[0] - kTagHead);
      rest_.remove_prefix(1);
      return true;
    }
    const cbor_decoder_result result =
        cbor_stream_decode(rest_.data(), rest_.size(), &kCallbacks, &head);
    if (result.status != CBOR_DECODER_FINISHED) {
      return Fail("cut short, or a head that is none");
    }
    if (head.kind == Head::Kind::kRefused) {
      return Fail("a float, a simple value or a string in chunks");
    }
    const size_t head_bytes = result.read - head.content.size();
    // For the types that have no argument it is 0 or 1, and their heads are
    // one byte long.
    if (head.kind == Head::Kind::kItem && !rules_.long_heads &&
        head_bytes != ShortestHead(head.argument)) {
      return Fail("a head that is longer than it needs to be");
    }
    rest_.remove_prefix(result.read);
    return true;
  }

  bool ParseItem(int depth, Item& item) {
    Head head;
    return ReadHead(head) && MakeItem(head, depth, item);
  }

  bool MakeItem(const Head& head, int depth, Item& item) {
    if (head.kind == Head::Kind::kBreak) return Fail("a break without a start");
    if (items_++ >= rules_.items_max) return Fail("too many items");
    if (depth > rules_.depth_max) return Fail("nested too deeply");
    item.type_ = head.type;
    item.number_ = head.argument;
    item.bytes_ = head.content;
    item.indefinite_ = head.kind == Head::Kind::kIndefinite;
    if (item.indefinite_ && !rules_.indefinite_containers) {
      return Fail("an indefinite length");
    }
    switch (item.type_) {
      case Type::kArray:
      case Type::kMap:
        return ParseContent(depth, item);
      case Type::kTag:
        return ParseItem(depth + 1, item.items_.emplace_back());
      case Type::kText:
        return cel::IsValidUtf8(AsStringView(item.bytes_)) ||
               Fail("text that is not UTF-8");
      default:
        return true;
    }
  }

  bool ParseContent(int depth, Item& item) {
    // A map's number counts pairs. Whatever it says, the items must come, and
    // there are at most items_max of them.
    const uint64_t scale = item.type_ == Type::kMap ? 2 : 1;
    if (item.number_ > rules_.items_max / scale) return Fail("too many items");
    const uint64_t size = item.number_ * scale;
    while (item.indefinite_ || item.items_.size() < size) {
      Head head;
      if (!ReadHead(head)) return false;
      if (item.indefinite_ && head.kind == Head::Kind::kBreak) break;
      if (!MakeItem(head, depth + 1, item.items_.emplace_back())) return false;
    }
    return item.type_ != Type::kMap || CheckKeys(item);
  }

  bool CheckKeys(const Item& map) {
    if (map.items_.size() % 2 != 0) return Fail("a key without a value");
    std::vector<std::tuple<Type, uint64_t, absl::string_view>> keys;
    for (size_t i = 0; i < map.items_.size(); i += 2) {
      const Item& key = map.items_[i];
      if (!IsKey(key)) return Fail("a key that is no integer and no text");
      keys.emplace_back(key.type_, key.number_, AsStringView(key.bytes_));
    }
    std::sort(keys.begin(), keys.end());
    return std::adjacent_find(keys.begin(), keys.end()) == keys.end() ||
           Fail("a key twice in one map");
  }

  BytesView rest_;
  const Rules rules_;
  size_t items_ = 0;
  absl::string_view fault_;
};

std::optional<uint64_t> Item::Unsigned() const {
  if (type_ != Type::kUnsigned) return std::nullopt;
  return number_;
}

std::optional<int64_t> Item::Integer() const {
  if ((type_ != Type::kUnsigned && type_ != Type::kNegative) ||
      number_ > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return std::nullopt;
  }
  const auto argument = static_cast<int64_t>(number_);
  return type_ == Type::kUnsigned ? argument : -1 - argument;
}

std::optional<BytesView> Item::Bytes() const {
  if (type_ != Type::kBytes) return std::nullopt;
  return bytes_;
}

std::optional<absl::string_view> Item::Text() const {
  if (type_ != Type::kText) return std::nullopt;
  return AsStringView(bytes_);
}

std::optional<bool> Item::Bool() const {
  if (type_ != Type::kBool) return std::nullopt;
  return number_ != 0;
}

std::optional<uint64_t> Item::Tag() const {
  if (type_ != Type::kTag) return std::nullopt;
  return number_;
}

const Item* Item::Find(int64_t key) const {
  if (type_ != Type::kMap) return nullptr;
  for (size_t i = 0; i < items_.size(); i += 2) {
    if (items_[i].Integer() == key) return &items_[i + 1];
  }
  return nullptr;
}

const Item* Item::Find(absl::string_view key) const {
  if (type_ != Type::kMap) return nullptr;
  for (size_t i = 0; i < items_.size(); i += 2) {
    if (items_[i].Text() == key) return &items_[i + 1];
  }
  return nullptr;
}

absl::StatusOr<Item> Parse(BytesView bytes, const Rules& rules,
                           absl::string_view subject) {
  Item item;
  Parser parser(bytes, rules);
  if (parser.ParseAll(item)) return item;
  return Refuse(v1::EVIDENCE_MALFORMED,
                absl::StrCat(subject, ": CBOR with ", parser.fault()));
}

void Item::AppendTo(std::string& out) const {
  if (type_ == Type::kNull) {
    out += '\xf6';
    return;
  }
  if (type_ == Type::kBool) {
    out += number_ != 0 ? '\xf5' : '\xf4';
    return;
  }
  const int major = static_cast<int>(type_);
  if (indefinite_) {
    out += static_cast<char>(major << 5 | 31);
  } else {
    out += Writer().Head(major, number_).str();
  }
  out += ToString(bytes_);
  for (const Item& item : items_) item.AppendTo(out);
  if (indefinite_) out += '\xff';
}

}  // namespace kms::cbor
