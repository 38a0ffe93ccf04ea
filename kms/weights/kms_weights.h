/* libkms_weights: reads encrypted model weights at random, for loaders in any
 * language that can call C. What it reads: kms/weights/README.md.
 *
 * Every byte that a read gives was authenticated first; a read that fails
 * gives zeros. No function throws, prints, or ends the process for what a
 * file says. Key bytes are copied to locked memory (RLIMIT_MEMLOCK: 2 MiB are
 * plenty) and wiped by kms_weights_close; the caller wipes his own.
 *
 * Thread-safety: one kms_weights may be read by any number of threads at
 * once, each into memory of its own; that is how to use many cores. Nothing
 * may run on it while, or after, it is closed. Keys do not cross a fork: a
 * forked child opens the file anew, or its reads fail as NOT_AUTHENTIC.
 *
 * Not here: asking a service for the key (kms-agent does), and writing
 * (kmsctl weights encrypt does).
 */
#ifndef KMS_WEIGHTS_KMS_WEIGHTS_H_
#define KMS_WEIGHTS_KMS_WEIGHTS_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kms_weights kms_weights; /* An open file. */

/* What calls return. New codes may be added: treat those as failures. */
enum {
  KMS_WEIGHTS_OK = 0,
  KMS_WEIGHTS_USAGE = 1,     /* An argument is wrong; the file says nothing. */
  KMS_WEIGHTS_SYSTEM = 2,    /* A file, memory or a limit; see the error. */
  KMS_WEIGHTS_MALFORMED = 3, /* Not a weights file, or of another format. */
  KMS_WEIGHTS_OTHER_KEY = 4, /* Names another key or version than expected. */
  KMS_WEIGHTS_NOT_AUTHENTIC = 5 /* Wrong key bytes, another artifact, or
                                   damaged: believe nothing. */
};

#define KMS_WEIGHTS_DIGEST_SIZE 32

/* What the file has to be. There is no "unset": what shall not be compared is
 * named in `any`. */
typedef struct kms_weights_expected {
  const char* name_space; /* Of the key, such as "default". */
  const char* name;       /* Of the key. */
  uint32_t version;       /* Of the key, from 1; 0 with ANY_VERSION. */
  /* KMS_WEIGHTS_DIGEST_SIZE bytes, or null with ANY_ARTIFACT. Given, each
   * segment read is also compared with its SHA-256: about half as fast, and
   * then not even a holder of the key can have changed it. */
  const uint8_t* artifact_digest;
  uint32_t any; /* KMS_WEIGHTS_ANY_..., joined with |. */
} kms_weights_expected;

#define KMS_WEIGHTS_ANY_VERSION 1u
#define KMS_WEIGHTS_ANY_ARTIFACT 2u

/* What an open file says; authenticated. Valid until it is closed. */
typedef struct kms_weights_info {
  const char* name_space;
  const char* name;
  uint32_t version;
  uint32_t segment_size; /* Bytes. Reads of whole ones, at multiples of it,
                            are fastest: nothing is decrypted twice. */
  uint64_t size;         /* Bytes of plaintext. */
  uint8_t artifact_digest[KMS_WEIGHTS_DIGEST_SIZE];
} kms_weights_info;

/* Opens `path` with `key`, `key_size` bytes as released. On KMS_WEIGHTS_OK
 * `*file` is open and to be closed; else it is null. A sentence about a
 * failure goes to `error`, cut to `error_size` bytes with its NUL; `error`
 * may be null if `error_size` is 0. */
int kms_weights_open(const char* path, const uint8_t* key, size_t key_size,
                     const kms_weights_expected* expected, kms_weights** file,
                     char* error, size_t error_size);

/* KMS_WEIGHTS_USAGE: a null pointer. */
int kms_weights_get_info(const kms_weights* file, kms_weights_info* info);

/* Fills `buffer` with the `size` bytes of plaintext from `offset`: all of
 * them, or none and `buffer` is zeroed. KMS_WEIGHTS_USAGE: beyond the end. */
int kms_weights_read_at(const kms_weights* file, uint64_t offset, void* buffer,
                        size_t size, char* error, size_t error_size);

/* Wipes what is known of the key. Null is allowed. */
void kms_weights_close(kms_weights* file);

#ifdef __cplusplus
}
#endif

#endif /* KMS_WEIGHTS_KMS_WEIGHTS_H_ */
