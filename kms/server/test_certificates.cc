#include "kms/server/test_certificates.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gtest/gtest.h"

namespace kms::server {
namespace {

void RunOrFail(const std::string& command) {
  ASSERT_EQ(std::system((command + " 2>/dev/null").c_str()), 0) << command;
}

constexpr char kNewKey[] =
    " -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

}  // namespace

std::string ReadWhole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TestCertificates::TestCertificates() {
  std::string name = testing::TempDir() + "/certificates.XXXXXX";
  directory_ = mkdtemp(name.data());
  MakeCa("ca");
  MakeCa("strangers");
  Issue("ca", "server", "localhost");
  Issue("ca", "administrator", "alice");
  Issue("ca", "other", "mallory");
  Issue("strangers", "stranger", "alice");
}

TestCertificates::~TestCertificates() {
  std::filesystem::remove_all(directory_);
}

std::string TestCertificates::Path(const std::string& name) const {
  return directory_ + "/" + name;
}

void TestCertificates::MakeCa(const std::string& name) {
  RunOrFail("openssl req -x509 -days 2 -subj /CN=" + name + kNewKey +
            " -keyout " + Path(name + ".key") + " -out " + Path(name + ".pem"));
}

void TestCertificates::Issue(const std::string& ca, const std::string& name,
                             const std::string& common_name) {
  std::ofstream(Path("extensions"))
      << "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
  RunOrFail("openssl req -subj /CN=" + common_name + kNewKey + " -keyout " +
            Path(name + ".key") + " -out " + Path(name + ".csr"));
  RunOrFail("openssl x509 -req -days 2 -in " + Path(name + ".csr") + " -CA " +
            Path(ca + ".pem") + " -CAkey " + Path(ca + ".key") +
            " -CAcreateserial -extfile " + Path("extensions") + " -out " +
            Path(name + ".pem"));
  chmod(Path(name + ".key").c_str(), 0600);
}

TestCertificate TestCertificates::Read(const std::string& name) const {
  return {ReadWhole(Path(name + ".pem")), ReadWhole(Path(name + ".key"))};
}

TlsFiles TestCertificates::files() const {
  return {Path("server.pem"), Path("server.key"), Path("ca.pem")};
}

std::string TestCertificates::server_ca() const {
  return ReadWhole(Path("ca.pem"));
}

TestCertificate TestCertificates::administrator() const {
  return Read("administrator");
}

TestCertificate TestCertificates::other() const { return Read("other"); }

TestCertificate TestCertificates::stranger() const { return Read("stranger"); }

}  // namespace kms::server
