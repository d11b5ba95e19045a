/* Application images: a program and its files in one file whose parts are named by their SHA-256.
 * Conventions: see osvm.h. */
#ifndef OSVM_IMAGES_H
#define OSVM_IMAGES_H

#include "osvm.h"
#include "osvm_unikernel.h"

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
/* The same, writing the files into an existing empty folder on the way; gives the manifest's text. To run an
 * image it need not be unpacked. */
OSVM_API osvm_error* osvm_images_unpack(const char* path, const char* public_key, const char* folder,
                                        char** out_manifest);

/* ---- running ---- */

typedef struct osvm_images_image osvm_images_image;

/* Opens an image and checks its index, its manifest, and its signature unless `public_key` (PEM) is null.
 * Instances that are started from the same handle share the pages of the image's files. */
OSVM_API osvm_error* osvm_images_open(const char* path, const char* public_key,
                                      osvm_images_image** out_image);
/* Its SHA-256 in hexadecimal, and the text of its manifest. Borrowed. */
OSVM_API const char* osvm_images_id(const osvm_images_image* image);
OSVM_API const char* osvm_images_manifest(const osvm_images_image* image);
/* Running instances need no handle. */
OSVM_API void osvm_images_free(osvm_images_image* image);

enum {
  OSVM_IMAGES_VERIFY_ON_OPEN = 1, /* compare files with their digests when the guest opens them, not before it
                                     starts; a guest that opens a wrong one is ended */
  OSVM_IMAGES_OWN_BUDGETS = 2     /* the budgets of osvm_unikernel_options hold, not the manifest's */
};

typedef struct osvm_images_run_options {
  uint32_t struct_size;
  uint32_t flags;                    /* OSVM_IMAGES_* */
  const char* const* granted_mounts; /* names that the manifest may ask for (OSVM_ERROR_DENIED else); the
                                        mounts themselves are granted in osvm_unikernel_options */
  size_t granted_mount_count;
} osvm_images_run_options;

OSVM_API void osvm_images_run_options_init(osvm_images_run_options* options, uint32_t struct_size);

/* Starts what the manifest names, with what it asks for and what `more` (may be null) grants beside that; its
 * arguments follow the manifest's. `how` may be null. */
OSVM_API osvm_error* osvm_images_start(osvm_runtime* runtime, const osvm_images_image* image,
                                       const osvm_images_run_options* how, const osvm_unikernel_options* more,
                                       osvm_unikernel_instance** out_instance);

#ifdef __cplusplus
}
#endif

#endif
