/* Application images: a program and its files in one file whose parts are named by their SHA-256.
 * Conventions: see osvm.h. */
#ifndef OSVM_IMAGES_H
#define OSVM_IMAGES_H

#include "osvm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Codes of the domain "osvm.images". */
enum {
  OSVM_IMAGES_NOT_AN_IMAGE = 1,
  OSVM_IMAGES_VERSION = 2,
  OSVM_IMAGES_MALFORMED = 3,
  OSVM_IMAGES_TRUNCATED = 4,
  OSVM_IMAGES_TOO_LARGE = 5,
  OSVM_IMAGES_BAD_PATH = 6,
  OSVM_IMAGES_BAD_ENTRY = 7,
  OSVM_IMAGES_BAD_MANIFEST = 8,
  OSVM_IMAGES_DIGEST_MISMATCH = 9,
  OSVM_IMAGES_NOT_SIGNED = 10,
  OSVM_IMAGES_WRONG_KEY = 11,
  OSVM_IMAGES_BAD_SIGNATURE = 12,
  OSVM_IMAGES_BAD_KEY = 13
};

/* Makes an image of a folder, a tar archive or an OCI image layout. `manifest` is the text of osvm.yaml
 * (docs/formats/image.md). The id is the image's SHA-256 in hexadecimal. */
OSVM_API osvm_error* osvm_images_build(const char* source, const char* output, const char* manifest,
                                       char** out_id);
/* Signs in place with a PEM private key (the text, not a path), Ed25519 or P-256. */
OSVM_API osvm_error* osvm_images_sign(const char* path, const char* private_key);
/* Compares every file with its digest, and the signature with a PEM public key unless that is null. */
OSVM_API osvm_error* osvm_images_verify(const char* path, const char* public_key, char** out_id);
/* The same, writing the files into an existing empty folder on the way; gives the manifest's text. Mount the
 * folder at "/" and run the manifest's entry. */
OSVM_API osvm_error* osvm_images_unpack(const char* path, const char* public_key, const char* folder,
                                        char** out_manifest);

#ifdef __cplusplus
}
#endif

#endif
