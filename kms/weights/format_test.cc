#include "kms/weights/format.h"

#include <gtest/gtest.h>

#include "kms/weights/limits.h"

namespace kms::weights {
namespace {

Header Valid() {
  Header header;
  header.key = {.name_space = "default", .name = "llama", .version = 7};
  header.segment_log2 = 18;
  header.size = 1000;
  header.salt.fill(0x5a);
  header.table_digest.fill(0x7b);
  header.tag.fill(0x9c);
  return header;
}

absl::StatusCode ParseCode(const std::string& block) {
  return ParseHeaderBlock(AsBytes(block)).status().code();
}

constexpr auto kMalformed = absl::StatusCode::kInvalidArgument;

TEST(HeaderTest, ReadsWhatItWrites) {
  const std::string block = EncodeHeaderBlock(Valid());
  ASSERT_EQ(block.size(), kBlockSize);
  const auto parsed = ParseHeaderBlock(AsBytes(block));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->key, Valid().key);
  EXPECT_EQ(parsed->segment_log2, 18);
  EXPECT_EQ(parsed->size, 1000u);
  EXPECT_EQ(parsed->salt, Valid().salt);
  EXPECT_EQ(parsed->table_digest, Valid().table_digest);
  EXPECT_EQ(parsed->tag, Valid().tag);
  EXPECT_EQ(EncodeHeaderBlock(*parsed), block);
}

TEST(HeaderTest, LongestNamesFitItsBlock) {
  Header header = Valid();
  header.key.name_space.assign(64, 'n');
  header.key.name.assign(128, 'k');
  EXPECT_LT(EncodeHeader(header).size(), kBlockSize);
  EXPECT_TRUE(ParseHeaderBlock(AsBytes(EncodeHeaderBlock(header))).ok());
}

TEST(HeaderTest, RejectsEveryTruncation) {
  const std::string block = EncodeHeaderBlock(Valid());
  for (size_t size = 0; size < block.size(); ++size) {
    ASSERT_EQ(ParseCode(block.substr(0, size)), kMalformed) << size;
  }
  EXPECT_EQ(ParseCode(block + '\0'), kMalformed);
}

TEST(HeaderTest, RejectsNonZeroPadding) {
  const std::string block = EncodeHeaderBlock(Valid());
  for (size_t i = EncodeHeader(Valid()).size(); i < block.size(); ++i) {
    std::string changed = block;
    changed[i] = 1;
    ASSERT_EQ(ParseCode(changed), kMalformed) << i;
  }
}

TEST(HeaderTest, RejectsAnotherMagicOrFormat) {
  for (size_t i = 0; i < 10; ++i) {
    std::string block = EncodeHeaderBlock(Valid());
    block[i] ^= 1;
    EXPECT_EQ(ParseCode(block), kMalformed) << i;
  }
}

TEST(HeaderTest, RejectsFieldsOutOfBounds) {
  const auto code = [](auto change) {
    Header header = Valid();
    change(header);
    EXPECT_EQ(CheckHeader(header).code(), ParseCode(EncodeHeaderBlock(header)));
    return CheckHeader(header).code();
  };
  EXPECT_EQ(code([](Header& h) { h.key.version = 0; }), kMalformed);
  EXPECT_EQ(code([](Header& h) { h.key.name = ""; }), kMalformed);
  EXPECT_EQ(code([](Header& h) { h.key.name = "Llama"; }), kMalformed);
  EXPECT_EQ(code([](Header& h) { h.key.name = "../x"; }), kMalformed);
  EXPECT_EQ(code([](Header& h) { h.key.name.assign(129, 'k'); }), kMalformed);
  EXPECT_EQ(code([](Header& h) { h.key.name_space = ""; }), kMalformed);
  EXPECT_EQ(code([](Header& h) { h.key.name_space.assign(65, 'n'); }),
            kMalformed);
  EXPECT_EQ(code([](Header& h) { h.segment_log2 = 15; }), kMalformed);
  EXPECT_EQ(code([](Header& h) { h.segment_log2 = 25; }), kMalformed);
  EXPECT_EQ(code([](Header& h) { h.segment_log2 = 255; }), kMalformed);
  EXPECT_EQ(code([](Header& h) { h.size = UINT64_MAX; }), kMalformed);
  EXPECT_EQ(code([](Header& h) { h.size = uint64_t{1} << 63; }), kMalformed);
  EXPECT_EQ(code([](Header& h) { h.size = (kSegmentCountMax << 18) + 1; }),
            kMalformed);
  EXPECT_EQ(code([](Header& h) { h.size = kSegmentCountMax << 18; }),
            absl::StatusCode::kOk);
}

TEST(LayoutTest, AnEmptyFileIsItsHeaderBlock) {
  Header header = Valid();
  header.size = 0;
  const Layout layout(header);
  EXPECT_EQ(layout.segments(), 0u);
  EXPECT_EQ(layout.file_size(), kBlockSize);
}

TEST(LayoutTest, CountsSegmentsAtTheirEdges) {
  Header header = Valid();
  header.segment_log2 = 16;
  const uint64_t segment = 65536;
  const struct {
    uint64_t size, segments, last;
  } cases[] = {{1, 1, 1},
               {segment - 1, 1, segment - 1},
               {segment, 1, segment},
               {segment + 1, 2, 1},
               {64 * segment, 64, segment},  // One full block of table.
               {64 * segment + 1, 65, 1}};
  for (const auto& each : cases) {
    header.size = each.size;
    const Layout layout(header);
    EXPECT_EQ(layout.segments(), each.segments);
    EXPECT_EQ(layout.SizeOf(each.segments - 1), each.last);
    EXPECT_TRUE(layout.IsLast(each.segments - 1));
    EXPECT_FALSE(layout.IsLast(each.segments));
    EXPECT_EQ(layout.data_offset(), each.segments <= 64 ? 8192u : 12288u);
    EXPECT_EQ(layout.file_size(), layout.data_offset() + each.size);
  }
}

TEST(LayoutTest, OffsetsBeyond4GiBDoNotWrap) {
  Header header = Valid();
  header.segment_log2 = kSegmentLog2Max;
  header.size = kPlaintextSizeMax - 1;
  ASSERT_TRUE(CheckHeader(header).ok());
  const Layout layout(header);
  EXPECT_EQ(layout.segments(), kSegmentCountMax);
  const uint64_t last = layout.segments() - 1;
  EXPECT_EQ(layout.PlaintextOffset(last), last * (uint64_t{1} << 24));
  EXPECT_EQ(layout.SizeOf(last), (size_t{1} << 24) - 1);
  EXPECT_EQ(layout.IndexOf(header.size - 1), last);
  EXPECT_EQ(layout.file_size(),
            kBlockSize + kSegmentCountMax * kEntrySize + header.size);
}

TEST(LayoutTest, SegmentsGrowOnlyToKeepTheTableInBounds) {
  EXPECT_EQ(SegmentLog2For(0), kSegmentLog2Default);
  const uint64_t most = kSegmentCountMax << kSegmentLog2Default;
  EXPECT_EQ(SegmentLog2For(most), kSegmentLog2Default);
  EXPECT_EQ(SegmentLog2For(most + 1), kSegmentLog2Default + 1);
  EXPECT_EQ(SegmentLog2For(kPlaintextSizeMax), kSegmentLog2Max);
}

TEST(TableTest, ReadsWhatItWrites) {
  Table table(3);
  Entry entry;
  entry.digest.fill(1);
  entry.tag.fill(2);
  entry.nonce_prefix.fill(3);
  table.Set(1, entry);
  EXPECT_FALSE(table.IsSet(0));
  EXPECT_TRUE(table.IsSet(1));
  EXPECT_EQ(table.bytes().size(), 3 * kEntrySize);
  const auto parsed = Table::Parse(table.bytes());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->Get(1).digest, entry.digest);
  EXPECT_EQ(parsed->Get(1).tag, entry.tag);
  EXPECT_EQ(parsed->Get(1).nonce_prefix, entry.nonce_prefix);
}

TEST(TableTest, RejectsNonZeroReservedBytesAndPartsOfEntries) {
  for (size_t i = 0; i < 2 * kEntrySize; ++i) {
    std::string bytes(2 * kEntrySize, '\0');
    bytes[i] = 1;
    const bool reserved = i % kEntrySize >= 55;
    ASSERT_EQ(Table::Parse(bytes).ok(), !reserved) << i;
  }
  EXPECT_EQ(Table::Parse(std::string(65, '\0')).status().code(), kMalformed);
}

}  // namespace
}  // namespace kms::weights
