#include "kms/crypto/note.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kms/base/secret_access.h"
#include "kms/crypto/checkpoint.h"
#include "kms/crypto/utf8.h"

namespace kms::crypto {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnauthenticated = absl::StatusCode::kUnauthenticated;

Ed25519SigningKey KeyOf(char fill) {
  return Ed25519SigningKey::FromSeed(
             Secret::CopyOf(AsBytes(std::string(32, fill)), GrantSecretAccess())
                 .value())
      .value();
}

NoteVerifier VerifierOf(absl::string_view name, const Ed25519SigningKey& key) {
  return NoteVerifier::Create(name, AsBytes(key.public_key())).value();
}

// The example in the documentation of Go's sumdb/note, whose format C2SP's is.
TEST(Note, AgreesWithTheExampleOfGo) {
  constexpr absl::string_view kNote =
      "If you think cryptography is the answer to your problem,\n"
      "then you don't know what your problem is.\n"
      "\n"
      "\u2014 PeterNeumann "
      "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
      "otpRZb6KE6RyyBwJnAM=\n";
  const auto verifier = NoteVerifier::Parse(
      "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  ASSERT_TRUE(verifier.ok()) << verifier.status();
  EXPECT_EQ(verifier->key_id(), 0xc74f20a3u);
  const auto opened = OpenNote(kNote, {*verifier});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->signers, std::vector<std::string>{"PeterNeumann"});
}

TEST(Note, OpensWhatItSigned) {
  const Ed25519SigningKey key = KeyOf(1);
  const std::string text = "line\n\nlast\n";
  const std::string note = SignNote(text, "example.org/log", key).value();
  const auto opened = OpenNote(note, {VerifierOf("example.org/log", key)});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->text, text);
  EXPECT_EQ(FormatNote(ParseNote(note).value()), note);
}

TEST(Note, AKeyUnderAnotherNameOpensNotesOfThatNameOnly) {
  const auto key = Ed25519SigningKey::Generate();
  ASSERT_TRUE(key.ok());
  const auto old = NoteVerifier::Create("log/1", AsBytes(key->public_key()));
  const auto renamed = old->Named("log/2");
  ASSERT_TRUE(renamed.ok());
  const auto note = SignNote("text\n", "log/2", *key);
  ASSERT_TRUE(note.ok());
  EXPECT_TRUE(OpenNote(*note, {*renamed}).ok());
  EXPECT_EQ(OpenNote(*note, {*old}).status().code(),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(old->Named("log 2").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Note, IgnoresUnknownKeysButWantsAKnownOne) {
  const Ed25519SigningKey log = KeyOf(1);
  const Ed25519SigningKey witness = KeyOf(2);
  const std::string one = SignNote("text\n", "log", log).value();
  const std::string two = CosignNote(one, "witness", witness).value();
  const NoteVerifier log_verifier = VerifierOf("log", log);
  const NoteVerifier witness_verifier = VerifierOf("witness", witness);
  EXPECT_EQ(OpenNote(two, {log_verifier})->signers,
            std::vector<std::string>{"log"});
  EXPECT_EQ(OpenNote(two, {witness_verifier, log_verifier})->signers,
            (std::vector<std::string>{"witness", "log"}));
  EXPECT_EQ(OpenNote(one, {witness_verifier}).status().code(),
            kUnauthenticated);
  EXPECT_EQ(OpenNote(one, {}).status().code(), kUnauthenticated);
  // The same key under another name is another signer.
  EXPECT_EQ(OpenNote(one, {VerifierOf("witness", log)}).status().code(),
            kUnauthenticated);
}

TEST(Note, RejectsTheWholeNoteForOneBadSignatureOfAKnownKey) {
  const Ed25519SigningKey log = KeyOf(1);
  const Ed25519SigningKey witness = KeyOf(2);
  UnverifiedNote note =
      ParseNote(
          CosignNote(SignNote("text\n", "log", log).value(), "witness", witness)
              .value())
          .value();
  note.signatures[1].signature = witness.Sign("other\n");
  const std::string bad = FormatNote(note);
  EXPECT_TRUE(OpenNote(bad, {VerifierOf("log", log)}).ok());
  EXPECT_EQ(
      OpenNote(bad, {VerifierOf("log", log), VerifierOf("witness", witness)})
          .status()
          .code(),
      kUnauthenticated);
}

TEST(Note, RefusesEveryFlippedBitOfAKnownSignersNote) {
  const Ed25519SigningKey key = KeyOf(1);
  const NoteVerifier verifier = VerifierOf("log", key);
  const std::string note = SignNote("text\n", "log", key).value();
  for (size_t i = 0; i < note.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = note;
      bad[i] = static_cast<char>(bad[i] ^ 1 << bit);
      const auto code = OpenNote(bad, {verifier}).status().code();
      EXPECT_TRUE(code == kInvalid || code == kUnauthenticated) << i;
    }
  }
}

TEST(Note, RefusesMalformedNotes) {
  const std::string line = "\u2014 log AAAAAUU=\n";  // Key id 1, one byte.
  EXPECT_TRUE(ParseNote("text\n\n" + line).ok());
  for (const std::string& bad :
       {std::string(), std::string("text\n"), std::string("text\n\n"),
        "text\n" + line, "text" + line, "text\n\n" + line + "x",
        "text\n\n" + line + "\n", "te\rxt\n\n" + line, "te\txt\n\n" + line,
        "te\xffxt\n\n" + line, std::string("text\n\n- log AAAAAUU=\n"),
        std::string("text\n\n\u2014 log AAAAAUV=\n"),
        std::string("text\n\n\u2014 log AAAAAUU\n"),
        std::string("text\n\n\u2014 log AAAAAQ==\n"),
        std::string("text\n\n\u2014  AAAAAUU=\n"),
        std::string("text\n\n\u2014 lo+g AAAAAUU=\n"),
        std::string("text\n\n\u2014 lo\u2003g AAAAAUU=\n"),
        std::string("text\n\n\u2014 log\n")}) {
    EXPECT_EQ(ParseNote(bad).status().code(), kInvalid)
        << absl::CHexEscape(bad);
  }
}

TEST(Note, HoldsItsBounds) {
  const std::string line = "\u2014 log AAAAAUU=\n";
  std::string note = "text\n\n";
  for (size_t i = 0; i < kNoteSignaturesMax; ++i) note += line;
  EXPECT_TRUE(ParseNote(note).ok());
  EXPECT_EQ(ParseNote(note + line).status().code(), kInvalid);
  const std::string tail = "\n\n" + line;
  const std::string most(kNoteBytesMax - tail.size(), 'x');
  EXPECT_TRUE(ParseNote(most + tail).ok());
  EXPECT_EQ(ParseNote(most + "x" + tail).status().code(), kInvalid);
}

TEST(Note, SignsOnlyWhatParses) {
  const Ed25519SigningKey key = KeyOf(1);
  for (const absl::string_view text : {"", "no newline", "control\x01\n"}) {
    EXPECT_EQ(SignNote(text, "log", key).status().code(), kInvalid);
  }
  for (const absl::string_view name : {"", "a b", "a+b", "a\n"}) {
    EXPECT_EQ(SignNote("text\n", name, key).status().code(), kInvalid);
  }
}

TEST(NoteVerifier, ReadsWhatItWrites) {
  const NoteVerifier verifier = VerifierOf("example.org/log", KeyOf(1));
  const auto again = NoteVerifier::Parse(verifier.vkey());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->vkey(), verifier.vkey());
  EXPECT_EQ(again->key_id(), verifier.key_id());
}

TEST(NoteVerifier, RefusesOtherKeys) {
  const std::string good =
      "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
  ASSERT_TRUE(NoteVerifier::Parse(good).ok());
  for (const std::string& bad :
       {std::string(), std::string("PeterNeumann"), std::string("a+b"),
        absl::StrReplaceAll(good, {{"c74f20a3", "c74f20a4"}}),
        absl::StrReplaceAll(good, {{"c74f20a3", "C74F20A3"}}),
        absl::StrReplaceAll(good, {{"PeterN", "peterN"}}),
        absl::StrReplaceAll(good, {{"+ARpc", "+Ahpc"}}), good + "A", good + "=",
        good.substr(0, good.size() - 4)}) {
    EXPECT_EQ(NoteVerifier::Parse(bad).status().code(), kInvalid) << bad;
  }
}

TEST(Checkpoint, ReadsWhatItWrites) {
  const Checkpoint checkpoint = {"example.org/log 1", ~uint64_t{0},
                                 std::string(32, 'r')};
  const std::string text = FormatCheckpoint(checkpoint).value();
  EXPECT_EQ(text,
            "example.org/log 1\n18446744073709551615\n"
            "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n");
  EXPECT_EQ(ParseCheckpoint(text).value(), checkpoint);
}

TEST(Checkpoint, RefusesOtherSpellings) {
  const std::string root = "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=";
  EXPECT_TRUE(ParseCheckpoint("log\n0\n" + root + "\n").ok());
  for (const std::string& bad :
       {std::string(), "log\n0\n" + root, "\n0\n" + root + "\n",
        "log\n00\n" + root + "\n", "log\n+1\n" + root + "\n",
        "log\n-1\n" + root + "\n", "log\n 1\n" + root + "\n",
        "log\n\n" + root + "\n", "log\n1x\n" + root + "\n",
        "log\n18446744073709551616\n" + root + "\n",
        "log\n0\n" + root.substr(4) + "\n", "log\n0\n" + root + "\nextension\n",
        "log\n0\n" + root + "\n\n", "log\n0\n" + root + " \n",
        "lo\xc0\xafg\n0\n" + root + "\n"}) {
    EXPECT_EQ(ParseCheckpoint(bad).status().code(), kInvalid)
        << absl::CHexEscape(bad);
  }
  for (const Checkpoint& bad : {Checkpoint{"", 0, std::string(32, 'r')},
                                Checkpoint{"a\nb", 0, std::string(32, 'r')},
                                Checkpoint{"log", 0, std::string(31, 'r')}}) {
    EXPECT_EQ(FormatCheckpoint(bad).status().code(), kInvalid);
  }
}

TEST(TakeCodePoint, RefusesWhatRfc3629Forbids) {
  for (absl::string_view bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xe2",
        "\xe2\x80", "\xe2\x28\xa1"}) {
    EXPECT_EQ(TakeCodePoint(bad), std::nullopt) << absl::CHexEscape(bad);
  }
  absl::string_view good = "\u2014\U0010ffff";
  EXPECT_EQ(TakeCodePoint(good), 0x2014u);
  EXPECT_EQ(TakeCodePoint(good), 0x10ffffu);
  EXPECT_TRUE(good.empty());
}

}  // namespace
}  // namespace kms::crypto
