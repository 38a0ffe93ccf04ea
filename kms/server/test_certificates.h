// Certificates for tests, made with the openssl command: a server's, and an
// administrators' CA with its administrators.
#ifndef KMS_SERVER_TEST_CERTIFICATES_H_
#define KMS_SERVER_TEST_CERTIFICATES_H_

#include <string>

#include "kms/server/config.h"

namespace kms::server {

struct TestCertificate {
  std::string certificate;  // PEM, not a path; as is the next.
  std::string private_key;
};

// Lives in a directory of its own, which ends with it.
class TestCertificates {
 public:
  TestCertificates();
  ~TestCertificates();

  const std::string& directory() const { return directory_; }

  // Of a server for localhost, and of the CA whose administrators are
  // `administrator` (common name "alice") and `other` ("mallory").
  TlsFiles files() const;
  std::string server_ca() const;
  TestCertificate administrator() const;
  TestCertificate other() const;
  // Of a CA that the server does not know, also called "alice".
  TestCertificate stranger() const;

 private:
  void MakeCa(const std::string& name);
  void Issue(const std::string& ca, const std::string& name,
             const std::string& common_name);
  std::string Path(const std::string& name) const;
  TestCertificate Read(const std::string& name) const;

  std::string directory_;
};

std::string ReadWhole(const std::string& path);

}  // namespace kms::server

#endif  // KMS_SERVER_TEST_CERTIFICATES_H_
