// Which files a dynamic program needs before its first own instruction: its loader and the closure of its
// libraries.
#pragma once

#include <osvm/unikernel/image.hpp>

#include <string>
#include <vector>

namespace osvm::unikernel {

// A file that the guest may read without having been asked for by name.
struct library_grant {
  std::string host_path;   // without symbolic links
  std::string guest_path;  // where the guest's loader looks for it
  std::string needed_by;   // guest path of the object that names it
};

// A file that the program or one of its libraries names but does not get.
struct library_refusal {
  std::string name;  // as it is named in the file, or the path that was found
  std::string needed_by;
  std::string reason;
};

struct library_closure {
  std::vector<library_grant> granted;  // the program first, then its loader, then libraries in load order
  std::vector<library_refusal> refused;
};

struct library_search {
  std::vector<std::string> library_path;  // as LD_LIBRARY_PATH
  unsigned max_libraries = 512;
  unsigned max_probes = 16384;  // paths looked at, all together
  image_limits limits;          // of each file
};

// Follows DT_NEEDED through DT_RPATH, DT_RUNPATH ($ORIGIN included), `library_path`, /etc/ld.so.cache and the
// loader's default directories, as the loader will. Every file is hostile input, the program's headers above
// all: a file is granted only if it is an ELF library for this machine and lies, symbolic links resolved, in
// the loader's system directories (/lib, /usr/lib, /usr/local/lib, those of /etc/ld.so.cache) or in the
// program's own directory. What is loaded later by dlopen() cannot be known here. Empty for images that were
// not loaded from a file. Errors: errc::bad_loader; a library that is missing is no error (the loader will
// say so), only a refusal.
result<library_closure> find_libraries(const image& program, const library_search& search = {});

}  // namespace osvm::unikernel
