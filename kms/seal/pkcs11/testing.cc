#include "kms/seal/pkcs11/testing.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

namespace kms::seal {

void UseSoftHsm(const std::string& folder) {
  mkdir((folder + "/tokens").c_str(), 0700);
  const std::string config = folder + "/softhsm2.conf";
  std::ofstream(config) << "directories.tokendir = " << folder << "/tokens\n"
                        << "objectstore.backend = file\nlog.level = ERROR\n";
  setenv("SOFTHSM2_CONF", config.c_str(), 1);
}

bool MakeToken(const std::string& label, const std::string& pin) {
  const std::string command = "softhsm2-util --init-token --free --label '" +
                              label + "' --pin '" + pin +
                              "' --so-pin 12345678 >/dev/null 2>&1";
  return std::system(command.c_str()) == 0;
}

}  // namespace kms::seal
