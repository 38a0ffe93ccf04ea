/* The library as a loader in C meets it. Takes the path of format_1.kms. */
#define _POSIX_C_SOURCE 200809L
#include "kms/weights/kms_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE 66536u

static int failures = 0;

#define EXPECT(condition)                                      \
  do {                                                         \
    if (!(condition)) {                                        \
      printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
      ++failures;                                              \
    }                                                          \
  } while (0)

static uint8_t Content(uint32_t offset) {
  const uint32_t word = offset / 4 * 2654435761u;
  return (uint8_t)(word >> (8 * (offset % 4)));
}

static int AllZero(const uint8_t* bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (bytes[i] != 0) return 0;
  }
  return 1;
}

static const kms_weights_expected kExpected = {
    .name_space = "default",
    .name = "llama-weights",
    .version = 3,
    .artifact_digest = NULL,
    .any = KMS_WEIGHTS_ANY_ARTIFACT};

static void ReadsAFile(const char* path, const uint8_t* key) {
  char error[200] = "";
  kms_weights* file = NULL;
  EXPECT(kms_weights_open(path, key, 32, &kExpected, &file, error,
                          sizeof(error)) == KMS_WEIGHTS_OK);
  if (file == NULL) {
    printf("%s\n", error);
    return;
  }
  kms_weights_info info;
  EXPECT(kms_weights_get_info(file, &info) == KMS_WEIGHTS_OK);
  EXPECT(strcmp(info.name_space, "default") == 0);
  EXPECT(strcmp(info.name, "llama-weights") == 0);
  EXPECT(info.version == 3);
  EXPECT(info.segment_size == 65536);
  EXPECT(info.size == SIZE);
  EXPECT(info.artifact_digest[0] == 0xf7 && info.artifact_digest[31] == 0x45);

  uint8_t* const all = malloc(SIZE);
  EXPECT(kms_weights_read_at(file, 0, all, SIZE, NULL, 0) == KMS_WEIGHTS_OK);
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < SIZE; ++i) wrong += all[i] != Content(i);
  EXPECT(wrong == 0);
  uint8_t some[100];
  EXPECT(kms_weights_read_at(file, 65500, some, sizeof(some), NULL, 0) ==
         KMS_WEIGHTS_OK);
  EXPECT(memcmp(some, all + 65500, sizeof(some)) == 0);
  EXPECT(kms_weights_read_at(file, SIZE - 50, some, sizeof(some), error,
                             sizeof(error)) == KMS_WEIGHTS_USAGE);
  EXPECT(AllZero(some, sizeof(some)));
  EXPECT(strstr(error, "100 bytes from 66486 of 66536") != NULL);
  EXPECT(kms_weights_read_at(file, 0, NULL, 0, NULL, 0) == KMS_WEIGHTS_OK);
  free(all);

  /* The artifact it just named is the one that it may be asked to be. */
  kms_weights_expected expected = kExpected;
  expected.artifact_digest = info.artifact_digest;
  expected.any = 0;
  kms_weights* again = NULL;
  EXPECT(kms_weights_open(path, key, 32, &expected, &again, NULL, 0) ==
         KMS_WEIGHTS_OK);
  EXPECT(kms_weights_read_at(again, 1, some, 1, NULL, 0) == KMS_WEIGHTS_OK);
  EXPECT(some[0] == Content(1));
  kms_weights_close(again);
  kms_weights_close(file);
}

/* The code of opening with these arguments, after which there is no file. */
static int OpenCode(const char* path, const uint8_t* key, size_t key_size,
                    const kms_weights_expected* expected) {
  char error[100] = "";
  kms_weights* file = (kms_weights*)&error;
  const int code = kms_weights_open(path, key, key_size, expected, &file, error,
                                    sizeof(error));
  EXPECT(file == NULL);
  EXPECT(error[0] != '\0');
  return code;
}

static void SaysWhyNot(const char* path, const uint8_t* key) {
  kms_weights_expected e = kExpected;
  EXPECT(OpenCode(NULL, key, 32, &e) == KMS_WEIGHTS_USAGE);
  EXPECT(OpenCode(path, NULL, 32, &e) == KMS_WEIGHTS_USAGE);
  EXPECT(OpenCode(path, key, 31, &e) == KMS_WEIGHTS_USAGE);
  EXPECT(OpenCode(path, key, 32, NULL) == KMS_WEIGHTS_USAGE);
  EXPECT(OpenCode("/nowhere/at/all", key, 32, &e) == KMS_WEIGHTS_SYSTEM);
  EXPECT(OpenCode("/proc/self/exe", key, 32, &e) == KMS_WEIGHTS_MALFORMED);
  EXPECT(OpenCode("/proc/self/exe/x", key, 32, &e) == KMS_WEIGHTS_SYSTEM);
  e.name = "other";
  EXPECT(OpenCode(path, key, 32, &e) == KMS_WEIGHTS_OTHER_KEY);
  e = kExpected;
  e.version = 4;
  EXPECT(OpenCode(path, key, 32, &e) == KMS_WEIGHTS_OTHER_KEY);
  uint8_t other[32];
  memset(other, 9, sizeof(other));
  EXPECT(OpenCode(path, other, 32, &kExpected) == KMS_WEIGHTS_NOT_AUTHENTIC);
  e = kExpected;
  e.artifact_digest = other;
  e.any = 0;
  EXPECT(OpenCode(path, key, 32, &e) == KMS_WEIGHTS_NOT_AUTHENTIC);
}

/* What is not compared has to be said. */
static void UnsetIsAnError(const char* path, const uint8_t* key) {
  kms_weights_expected e = kExpected;
  e.any = 0;
  EXPECT(OpenCode(path, key, 32, &e) == KMS_WEIGHTS_USAGE);
  e = kExpected;
  e.version = 0;
  EXPECT(OpenCode(path, key, 32, &e) == KMS_WEIGHTS_USAGE);
  e = kExpected;
  e.any |= KMS_WEIGHTS_ANY_VERSION; /* And a version. */
  EXPECT(OpenCode(path, key, 32, &e) == KMS_WEIGHTS_USAGE);
  e = kExpected;
  e.any |= 8;
  EXPECT(OpenCode(path, key, 32, &e) == KMS_WEIGHTS_USAGE);
  e = kExpected;
  e.name = NULL;
  EXPECT(OpenCode(path, key, 32, &e) == KMS_WEIGHTS_USAGE);
  e = kExpected;
  e.version = 0;
  e.any |= KMS_WEIGHTS_ANY_VERSION;
  kms_weights* file = NULL;
  EXPECT(kms_weights_open(path, key, 32, &e, &file, NULL, 0) ==
         KMS_WEIGHTS_OK);
  kms_weights_close(file);
  kms_weights_close(NULL);
}

static void ErrorsAreCutToTheirBuffer(const uint8_t* key) {
  char error[8] = "1234567";
  kms_weights* file = NULL;
  EXPECT(kms_weights_open("/nowhere", key, 32, &kExpected, &file, error, 5) ==
         KMS_WEIGHTS_SYSTEM);
  EXPECT(memcmp(error, "open\00067", 8) == 0);
}

int main(int argc, char** argv) {
  uint8_t key[32];
  for (uint8_t i = 0; i < sizeof(key); ++i) key[i] = i;
  if (argc != 2) return 2;
  ReadsAFile(argv[1], key);
  SaysWhyNot(argv[1], key);
  UnsetIsAnError(argv[1], key);
  ErrorsAreCutToTheirBuffer(key);
  return failures == 0 ? 0 : 1;
}
