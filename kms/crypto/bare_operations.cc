#include "kms/crypto/bare_operations.h"

#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <utility>

#include "kms/base/bytes.h"
#include "kms/crypto/openssl.h"

namespace kms::crypto {
namespace {

// std::function copies what it holds, so its state is shared.
struct State {
  PkeyPtr key, peer;
  PkeyCtxPtr context;
  MdCtxPtr md_context;
  std::string signature;
};

const std::string& Message() {
  // As long as what an SEV-SNP report signs.
  static const auto* const message = new std::string(672, 'm');
  return *message;
}

uint8_t* Data(std::string& bytes) {
  return reinterpret_cast<uint8_t*>(bytes.data());
}

PkeyPtr NewKey(const char* type) {
  PkeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, type));
  DieUnless(key != nullptr, "bare: no key");
  return key;
}

PkeyCtxPtr ContextOf(EVP_PKEY* key) {
  return PkeyCtxPtr(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
}

std::shared_ptr<State> Ed25519Signed() {
  auto state = std::make_shared<State>();
  state->key = NewKey("ED25519");
  state->signature.resize(64);
  state->md_context.reset(EVP_MD_CTX_new());
  size_t size = 64;
  DieUnless(
      EVP_DigestSignInit(state->md_context.get(), nullptr, nullptr, nullptr,
                         state->key.get()) == 1 &&
          EVP_DigestSign(state->md_context.get(), Data(state->signature), &size,
                         AsBytes(Message()).data(), Message().size()) == 1,
      "bare: cannot sign");
  return state;
}

// Verifies one signature over one digest, as `prepare` sets the contexts up.
std::function<void()> Verify(PkeyPtr key, size_t digest_size,
                             void (*prepare)(EVP_PKEY_CTX*)) {
  auto state = std::make_shared<State>();
  state->key = std::move(key);
  const std::string digest(digest_size, 'd');
  state->signature.resize(512);
  size_t size = state->signature.size();
  const PkeyCtxPtr signer = ContextOf(state->key.get());
  state->context = ContextOf(state->key.get());
  DieUnless(EVP_PKEY_sign_init(signer.get()) == 1 &&
                EVP_PKEY_verify_init(state->context.get()) == 1,
            "bare: cannot start");
  prepare(signer.get());
  prepare(state->context.get());
  DieUnless(EVP_PKEY_sign(signer.get(), Data(state->signature), &size,
                          AsBytes(digest).data(), digest.size()) == 1,
            "bare: cannot sign");
  state->signature.resize(size);
  return [state, digest] {
    DieUnless(EVP_PKEY_verify(state->context.get(), Data(state->signature),
                              state->signature.size(), AsBytes(digest).data(),
                              digest.size()) == 1,
              "bare: does not verify");
  };
}

}  // namespace

std::function<void()> BareEcdsaP256Verify() {
  return Verify(PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")), 32,
                [](EVP_PKEY_CTX*) {});
}

std::function<void()> BareEcdsaP384Verify() {
  return Verify(PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384")), 48,
                [](EVP_PKEY_CTX*) {});
}

std::function<void()> BareRsa2048Verify() {
  constexpr size_t kBits = 2048;
  return Verify(PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", kBits)), 32,
                [](EVP_PKEY_CTX* context) {
                  DieUnless(EVP_PKEY_CTX_set_rsa_padding(
                                context, RSA_PKCS1_PADDING) == 1 &&
                                EVP_PKEY_CTX_set_signature_md(
                                    context, FetchedMd(Hash::kSha256)) == 1,
                            "bare: cannot choose PKCS1");
                });
}

std::function<void()> BareEd25519Sign() {
  return [state = Ed25519Signed()] {
    size_t size = state->signature.size();
    DieUnless(
        EVP_DigestSign(state->md_context.get(), Data(state->signature), &size,
                       AsBytes(Message()).data(), Message().size()) == 1,
        "bare: cannot sign");
  };
}

std::function<void()> BareEd25519Verify() {
  const std::shared_ptr<State> state = Ed25519Signed();
  state->md_context.reset(EVP_MD_CTX_new());
  DieUnless(EVP_DigestVerifyInit(state->md_context.get(), nullptr, nullptr,
                                 nullptr, state->key.get()) == 1,
            "bare: cannot verify");
  return [state] {
    DieUnless(
        EVP_DigestVerify(state->md_context.get(), Data(state->signature),
                         state->signature.size(), AsBytes(Message()).data(),
                         Message().size()) == 1,
        "bare: does not verify");
  };
}

std::function<void()> BareX25519Generate() {
  auto state = std::make_shared<State>();
  state->context.reset(EVP_PKEY_CTX_new_from_name(nullptr, "X25519", nullptr));
  DieUnless(EVP_PKEY_keygen_init(state->context.get()) == 1,
            "bare: cannot generate");
  return [state] {
    EVP_PKEY* made = nullptr;
    DieUnless(EVP_PKEY_generate(state->context.get(), &made) == 1,
              "bare: cannot generate");
    state->key.reset(made);
  };
}

std::function<void()> BareX25519Derive() {
  auto state = std::make_shared<State>();
  state->key = NewKey("X25519");
  state->peer = NewKey("X25519");
  state->context = ContextOf(state->key.get());
  DieUnless(EVP_PKEY_derive_init(state->context.get()) == 1 &&
                EVP_PKEY_derive_set_peer_ex(state->context.get(),
                                            state->peer.get(), 0) == 1,
            "bare: cannot derive");
  return [state] {
    uint8_t shared[32];
    size_t size = sizeof(shared);
    DieUnless(EVP_PKEY_derive(state->context.get(), shared, &size) == 1,
              "bare: cannot derive");
  };
}

}  // namespace kms::crypto
