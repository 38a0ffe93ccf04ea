#!/bin/sh
# usage: make_test_certificates.sh DIRECTORY
# Certificates for tests, valid for a hundred years.
set -eu
cd "$1"

make_ca() {  # name
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -days 36500 -subj "/CN=test $1" -keyout "$1.key" -out "$1.pem" 2>/dev/null
}

make_leaf() {  # name subject extension
  printf '%s\n' "$3" >"$1.ext"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj "/CN=$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -days 36500 \
    -set_serial 2 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
  rm "$1.csr" "$1.ext"
}

make_ca ca
make_ca other_ca
make_leaf server localhost 'subjectAltName=DNS:localhost'
make_leaf admin admin 'extendedKeyUsage=clientAuth'
rm ca.key other_ca.key
