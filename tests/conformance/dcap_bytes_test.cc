// What Intel TDX and SGX Evidence may lie about in bytes, lengths and time
// (rows A of the catalogue). Each row has one code.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "kms/base/refusal.h"
#include "policy/dcap/quote.h"
#include "policy/verifier/verified_cache.h"
#include "tests/conformance/dcap_fixture.h"
#include "tools/simtee/tdx.h"

namespace kms::dcap {
namespace {

// Everything but the PCK chain, which VerifyChain judges: no bit of it is a
// don't-care.
void ExpectEveryFlipRefused(const SimulatedTdx& machine,
                            const std::string& quote) {
  policy::VerifiedCache cache(1 << 20);
  v1::Evidence evidence = machine.Wrap(quote);
  ASSERT_EQ(Code(evidence, machine, {.cache = &cache}), kAccepted);
  std::string& bytes = *FileOf(evidence, "evidence");
  const size_t chain = quote.find("-----BEGIN");
  for (size_t bit = 0; bit < 8 * chain; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const v1::RefusalCode code = Code(evidence, machine, {.cache = &cache});
    ASSERT_NE(code, kAccepted) << "bit " << bit;
    ASSERT_NE(code, v1::INTERNAL_ERROR) << "bit " << bit;
    bytes[bit / 8] = quote[bit / 8];
  }
}

TEST(DcapTest, RejectsEveryBitFlipOfATdx4Quote) {
  ExpectEveryFlipRefused(Tdx(), GoodQuote(Tdx(), V4()));
}
TEST(DcapTest, RejectsEveryBitFlipOfATdx5Quote) {
  ExpectEveryFlipRefused(Tdx(), GoodQuote(Tdx()));
}
TEST(DcapTest, RejectsEveryBitFlipOfAnSgxQuote) {
  ExpectEveryFlipRefused(Sgx(), GoodQuote(Sgx()));
}

// Nobody signs how the chain is wrapped, nor the root: a pin vouches for its
// key, whatever else its certificate says.
bool IsUnsignedPem(const std::string& pem, size_t at, size_t root_at) {
  return absl::ascii_isspace(static_cast<unsigned char>(pem[at])) ||
         at >= root_at;
}

TEST(DcapTest, RejectsAFlipInEachByteOfThePckChain) {
  const std::string quote = GoodQuote(Tdx());
  v1::Evidence evidence = Tdx().Wrap(quote);
  std::string& bytes = *FileOf(evidence, "evidence");
  const size_t chain = quote.find("-----BEGIN");
  const size_t root = quote.rfind("-----BEGIN");
  for (size_t at = chain; at < quote.size(); ++at) {
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    const v1::RefusalCode code = Code(evidence, Tdx());
    if (!IsUnsignedPem(quote, at, root)) {
      ASSERT_NE(code, kAccepted) << at;
    }
    bytes[at] = quote[at];
  }
}

TEST(DcapTest, RejectsAFlipInEachByteOfTheCollateral) {
  const v1::Evidence good = Good(Tdx());
  for (const v1::EvidenceFile& file : good.files()) {
    if (file.role() == "evidence") continue;
    const std::string& content = file.content();
    const bool pem = content.find("-----BEGIN") == 0;
    const bool json = content[0] == '{';
    const size_t root = content.rfind("-----BEGIN");
    const size_t signature = content.rfind(':');
    for (size_t at = 0; at < content.size(); ++at) {
      // Hex has two cases, so that bit of a signature's digit says nothing.
      const int bit = json && at > signature ? 0 : static_cast<int>(at % 8);
      std::string changed = content;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      if (pem && IsUnsignedPem(content, at, root)) continue;
      ASSERT_NE(JudgeFile(Tdx(), file.role(), changed), kAccepted)
          << file.role() << " byte " << at;
    }
  }
}

// A2: the signature's length ends a quote. What follows is the rest of the
// buffer that it came in, and says nothing.
TEST(DcapTest, RejectsEveryTruncationAndIgnoresPadding) {
  for (const std::string& quote :
       {GoodQuote(Tdx(), V4()), GoodQuote(Tdx()), GoodQuote(Sgx())}) {
    for (size_t size = 0; size < quote.size(); ++size) {
      ASSERT_EQ(RefusalOf(ParseQuote(AsBytes(quote.substr(0, size))).status()),
                v1::EVIDENCE_MALFORMED)
          << size;
    }
    EXPECT_TRUE(ParseQuote(AsBytes(quote + std::string(64, '\0'))).ok());
    EXPECT_TRUE(ParseQuote(AsBytes(quote + quote)).ok());
    EXPECT_EQ(
        RefusalOf(
            ParseQuote(AsBytes(quote + std::string(64 * 1024, '\0'))).status()),
        v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(Code(Tdx().Wrap(GoodQuote(Tdx()) + "padding"), Tdx()), kAccepted);
}

// A3, A4: each length by itself. Offsets from the end of the signed part.
TEST(DcapTest, RejectsLengthsThatDoNotAddUp) {
  for (const SimulatedTdx* machine : {&Tdx(), &Sgx()}) {
    const bool tdx = machine == &Tdx();
    const size_t end = SerializeSigned(Quote(*machine)).size();
    const size_t qe = end + 4 + 128 + (tdx ? 6 : 0);
    const std::string good = GoodQuote(*machine);
    std::vector<size_t> at = {end, qe + 384 + 64 + 2 + 32 + 2};
    if (tdx) at.push_back(end + 4 + 128 + 2);
    for (size_t offset : at) {
      const uint32_t have = static_cast<uint8_t>(good[offset]) |
                            static_cast<uint8_t>(good[offset + 1]) << 8;
      for (uint32_t size : {0u, 1u, have - 1, have + 1, 0x7fffffffu,
                            0x80000000u, 0xffffffffu}) {
        std::string quote = good;
        quote.replace(offset, 4, U32(size));
        EXPECT_EQ(Code(machine->Wrap(quote), *machine), v1::EVIDENCE_MALFORMED)
            << offset << " " << size;
      }
    }
    for (uint32_t size : {0u, 31u, 33u, 1025u, 0xffffu}) {
      std::string quote = good;
      quote.replace(qe + 384 + 64, 2, U16(size));
      // Another length shifts what follows, so the kind of data may be odd.
      const v1::RefusalCode code = Code(machine->Wrap(quote), *machine);
      EXPECT_TRUE(code == v1::EVIDENCE_MALFORMED ||
                  code == v1::EVIDENCE_UNSUPPORTED)
          << size;
    }
  }
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  quote.qe_auth_data.resize(1025);
  EXPECT_EQ(RefusalOf(ParseQuote(AsBytes(SerializeQuote(quote))).status()),
            v1::EVIDENCE_MALFORMED);
}

// A7.
TEST(DcapTest, RejectsAnotherTypesLabel) {
  v1::Evidence td = Good(Tdx());
  td.set_type(v1::SGX);
  EXPECT_EQ(Code(td, Tdx()), v1::EVIDENCE_MALFORMED);
  v1::Evidence sgx = Good(Sgx());
  sgx.set_type(v1::TDX);
  EXPECT_EQ(Code(sgx, Sgx()), v1::EVIDENCE_MALFORMED);
}

// A8, D19.
TEST(DcapTest, RejectsOtherHeaders) {
  for (uint32_t version : {0u, 1u, 2u, 6u, 0xffffu}) {
    EXPECT_EQ(JudgeBytes(Tdx(), 0, U16(version)), v1::EVIDENCE_UNSUPPORTED);
  }
  for (uint32_t key_type : {0u, 1u, 3u, 0xffffu}) {
    EXPECT_EQ(JudgeBytes(Tdx(), 2, U16(key_type)), v1::EVIDENCE_UNSUPPORTED);
  }
  for (uint32_t tee : {0u, 1u, 0x82u, 0x80000081u}) {
    EXPECT_EQ(JudgeBytes(Tdx(), 4, U32(tee)), v1::EVIDENCE_UNSUPPORTED);
    EXPECT_EQ(JudgeBytes(Tdx(), 4, U32(tee), V4()), v1::EVIDENCE_UNSUPPORTED);
  }
  for (uint32_t tee : {1u, 0x81u}) {
    EXPECT_EQ(JudgeBytes(Sgx(), 4, U32(tee)), v1::EVIDENCE_UNSUPPORTED);
  }
  EXPECT_EQ(JudgeBytes(Sgx(), 0, U16(4)), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(JudgeBytes(Tdx(), 0, U16(3)), v1::EVIDENCE_UNSUPPORTED);
  for (size_t at : {8, 11}) {
    EXPECT_EQ(JudgeBytes(Tdx(), at, "\1"), v1::EVIDENCE_MALFORMED);
  }
  for (size_t at : {12, 27}) {
    EXPECT_EQ(JudgeBytes(Tdx(), at, "\1"), v1::EVIDENCE_MALFORMED);
    EXPECT_EQ(JudgeBytes(Sgx(), at, "\1"), v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(JudgeBytes(Tdx(), 28, "\1"), kAccepted);  // The QE's own words.
}

// A9: both boundary seconds are inside.
TEST(DcapTest, HoldsEverythingToItsTime) {
  const v1::Evidence evidence = Good(Tdx());
  policy::VerifiedCache cache(1 << 20);
  for (policy::VerifiedCache* c :
       {static_cast<policy::VerifiedCache*>(nullptr), &cache}) {
    EXPECT_EQ(Code(evidence, Tdx(), {.now = kStart, .cache = c}), kAccepted);
    EXPECT_EQ(Code(evidence, Tdx(), {.now = kEnd, .cache = c}), kAccepted);
    EXPECT_EQ(
        Code(evidence, Tdx(), {.now = kStart - absl::Seconds(1), .cache = c}),
        v1::CERTIFICATE_NOT_YET_VALID);
    EXPECT_EQ(
        Code(evidence, Tdx(), {.now = kEnd + absl::Seconds(1), .cache = c}),
        v1::CERTIFICATE_EXPIRED);
  }
  EXPECT_EQ(cache.size(), 1u);
}

}  // namespace
}  // namespace kms::dcap
