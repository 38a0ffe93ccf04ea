// The fetcher against a real HTTPS server on the loopback interface, which
// lies, stalls and redirects.
#include "kms/collateral/https_fetcher.h"

#include <gtest/gtest.h>
#include <microhttpd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"

namespace kms::collateral {
namespace {

using x509::IssuerKey;

constexpr x509::SignatureScheme kScheme = x509::SignatureScheme::kEcdsaSha256;

x509::CertificateSpec Spec(const std::string& subject,
                           const std::string& issuer, const IssuerKey& key) {
  x509::CertificateSpec spec;
  spec.subject = x509::MakeName({{"2.5.4.3", subject}});
  spec.issuer = x509::MakeName({{"2.5.4.3", issuer}});
  spec.not_before = absl::Now() - absl::Hours(1);
  spec.not_after = absl::Now() + absl::Hours(1);
  spec.spki = key.Spki();
  spec.scheme = kScheme;
  return spec;
}

// subjectAltName of one dNSName (RFC 5280, 4.2.1.6).
x509::Extension AltName(const std::string& host) {
  const auto size = [](size_t n) { return static_cast<char>(n); };
  const std::string name = std::string("\x82") + size(host.size()) + host;
  return {.oid = "2.5.29.17",
          .value = std::string("\x30") + size(name.size()) + name};
}

// A CA, and a server's certificate of its.
struct Certificates {
  explicit Certificates(const std::string& host = "localhost") {
    x509::CertificateSpec ca_spec = Spec("ca", "ca", ca_key);
    ca_spec.extensions = {x509::MakeBasicConstraints(true, std::nullopt),
                          x509::MakeKeyUsage(x509::kKeyUsageCertSign)};
    ca_pem = x509::ToPem(AsBytes(x509::IssueCertificate(ca_spec, ca_key)),
                         "CERTIFICATE");
    x509::CertificateSpec spec = Spec("server", "ca", key);
    spec.serial = "\2";
    spec.extensions = {AltName(host)};
    certificate_pem = x509::ToPem(AsBytes(x509::IssueCertificate(spec, ca_key)),
                                  "CERTIFICATE");
    key_pem = x509::ToPem(AsBytes(key.Pkcs8()), "PRIVATE KEY");
    ca_file = absl::StrCat(testing::TempDir(), "/ca-", host, ".pem");
    std::ofstream(ca_file) << ca_pem;
  }

  const IssuerKey ca_key = IssuerKey::GenerateEc(crypto::Curve::kP256);
  const IssuerKey key = IssuerKey::GenerateEc(crypto::Curve::kP256);
  std::string ca_pem, certificate_pem, key_pem, ca_file;
};

// Serves by path: /good, /large, /moved, /broken, /stalls; all else is 404.
class Server {
 public:
  explicit Server(const Certificates& certificates, bool tls = true) {
    const unsigned flags = MHD_USE_THREAD_PER_CONNECTION |
                           MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG |
                           (tls ? static_cast<unsigned>(MHD_USE_TLS) : 0u);
    daemon_ = MHD_start_daemon(
        flags, 0, nullptr, nullptr, &Server::Answer, this,
        MHD_OPTION_HTTPS_MEM_CERT, certificates.certificate_pem.c_str(),
        MHD_OPTION_HTTPS_MEM_KEY, certificates.key_pem.c_str(), MHD_OPTION_END);
    if (daemon_ == nullptr) std::abort();
  }
  ~Server() {
    if (!released_.HasBeenNotified()) released_.Notify();
    MHD_stop_daemon(daemon_);
  }

  int port() const {
    return MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_BIND_PORT)->port;
  }
  int served = 0;
  // Told when somebody waits for /stalls.
  absl::Notification stalled;

 private:
  static MHD_Result Answer(void* self, MHD_Connection* connection,
                           const char* url, const char*, const char*,
                           const char*, size_t*, void**) {
    return static_cast<Server*>(self)->Serve(connection, url);
  }

  MHD_Result Serve(MHD_Connection* connection, const std::string& url) {
    ++served;
    unsigned code = MHD_HTTP_OK;
    std::string body = "content of " + url;
    const char* header = MHD_HTTP_HEADER_ETAG;
    const char* value = "\"v1\"";
    const char* known = MHD_lookup_connection_value(
        connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
    if (url == "/kms/good") {
      if (known != nullptr && std::string(known) == value) {
        code = MHD_HTTP_NOT_MODIFIED;
        body.clear();
      }
    } else if (url == "/kms/large") {
      body = std::string(100001, 'x');
    } else if (url == "/kms/moved") {
      code = MHD_HTTP_FOUND;
      header = MHD_HTTP_HEADER_LOCATION;
      value = "/kms/good";
    } else if (url == "/kms/broken") {
      code = MHD_HTTP_INTERNAL_SERVER_ERROR;
    } else if (url == "/kms/stalls") {
      if (!stalled.HasBeenNotified()) stalled.Notify();
      released_.WaitForNotification();
    } else if (url == "/kms/etag") {
      value = "\"a b\"";
    } else {
      code = MHD_HTTP_NOT_FOUND;
    }
    MHD_Response* response = MHD_create_response_from_buffer(
        body.size(), body.data(), MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, header, value);
    const MHD_Result queued = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return queued;
  }

  MHD_Daemon* daemon_ = nullptr;
  absl::Notification released_;
};

class HttpsFetcherTest : public testing::Test {
 protected:
  std::string Url(const Server& server, const std::string& scheme = "https",
                  const std::string& host = "localhost") {
    return absl::StrCat(scheme, "://", host, ":", server.port(), "/kms/");
  }
  absl::StatusOr<FetchResponse> Fetch(HttpsFetcher& fetcher,
                                      const std::string& path,
                                      const std::string& etag = "") {
    return fetcher.Fetch({.path = path, .etag = etag, .bytes_max = 100000});
  }
  static absl::StatusCode Code(const absl::StatusOr<FetchResponse>& response) {
    return response.status().code();
  }

  static const Certificates& Ours() {
    static const auto* const certificates = new Certificates();
    return *certificates;
  }

  Server server_{Ours()};
  HttpsFetcher fetcher_{{.url = Url(server_), .ca_file = Ours().ca_file}};
};

TEST_F(HttpsFetcherTest, GetsAFileAndItsEtag) {
  const auto got = Fetch(fetcher_, "good");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->body, "content of /kms/good");
  EXPECT_EQ(got->etag, "\"v1\"");
  EXPECT_FALSE(got->not_modified);
}

TEST_F(HttpsFetcherTest, SendsTheEtagBack) {
  const auto again = Fetch(fetcher_, "good", "\"v1\"");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->not_modified);
  EXPECT_EQ(again->body, "");
  EXPECT_FALSE(Fetch(fetcher_, "good", "\"v0\"")->not_modified);
}

TEST_F(HttpsFetcherTest, KeepsNoEtagThatIsNoHeader) {
  EXPECT_EQ(Fetch(fetcher_, "etag")->etag, "");
}

TEST_F(HttpsFetcherTest, TellsWhatIsNotThere) {
  EXPECT_EQ(Code(Fetch(fetcher_, "none")), absl::StatusCode::kNotFound);
  EXPECT_EQ(Code(Fetch(fetcher_, "broken")), absl::StatusCode::kUnavailable);
}

TEST_F(HttpsFetcherTest, FollowsNoRedirect) {
  EXPECT_EQ(Code(Fetch(fetcher_, "moved")), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server_.served, 1);
}

TEST_F(HttpsFetcherTest, StopsAtTheBound) {
  EXPECT_EQ(Code(Fetch(fetcher_, "large")),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(HttpsFetcherTest, WaitsNoLongerThanItsTime) {
  HttpsFetcher hurried({.url = Url(server_),
                        .ca_file = Ours().ca_file,
                        .total_timeout = absl::Milliseconds(300)});
  EXPECT_EQ(Code(Fetch(hurried, "stalls")), absl::StatusCode::kUnavailable);
}

TEST_F(HttpsFetcherTest, StopsWhenToldTo) {
  std::thread stopper([this] {
    server_.stalled.WaitForNotification();
    fetcher_.Stop();
  });
  EXPECT_EQ(Code(Fetch(fetcher_, "stalls")), absl::StatusCode::kUnavailable);
  stopper.join();
  EXPECT_EQ(Code(Fetch(fetcher_, "good")), absl::StatusCode::kUnavailable);
}

TEST_F(HttpsFetcherTest, BelievesOnlyTheGivenCa) {
  const Certificates other("localhost.other");
  HttpsFetcher fetcher({.url = Url(server_), .ca_file = other.ca_file});
  EXPECT_EQ(Code(Fetch(fetcher, "good")), absl::StatusCode::kUnavailable);
  HttpsFetcher none({.url = Url(server_), .ca_file = "/nonexistent"});
  EXPECT_EQ(Code(Fetch(none, "good")), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server_.served, 0);
}

TEST_F(HttpsFetcherTest, BelievesOnlyTheNamedHost) {
  const Certificates other("mirror.example.org");
  Server server(other);
  HttpsFetcher fetcher({.url = Url(server), .ca_file = other.ca_file});
  EXPECT_EQ(Code(Fetch(fetcher, "good")), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server.served, 0);
}

TEST_F(HttpsFetcherTest, SpeaksNothingButHttps) {
  Server plain(Ours(), /*tls=*/false);
  for (const char* scheme : {"http", "https"}) {
    HttpsFetcher fetcher(
        {.url = Url(plain, scheme), .ca_file = Ours().ca_file});
    EXPECT_EQ(Code(Fetch(fetcher, "good")), absl::StatusCode::kUnavailable)
        << scheme;
  }
  HttpsFetcher file({.url = "file:///etc/", .ca_file = Ours().ca_file});
  EXPECT_EQ(Code(Fetch(file, "hostname")), absl::StatusCode::kUnavailable);
  EXPECT_EQ(plain.served, 0);
}

TEST_F(HttpsFetcherTest, TakesNoProxyFromTheEnvironment) {
  ASSERT_EQ(setenv("https_proxy", "http://127.0.0.1:1", 1), 0);
  ASSERT_EQ(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
  EXPECT_TRUE(Fetch(fetcher_, "good").ok());
  unsetenv("https_proxy");
  unsetenv("ALL_PROXY");
}

}  // namespace
}  // namespace kms::collateral
