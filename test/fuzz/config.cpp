// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A configuration file of ivshmem-server with any bytes. Nothing may crash; a file is read, or
// refused with one line of text that names it; all values that are taken are in their ranges.

#include "base/unique_fd.hpp"
#include "must_hold.hpp"
#include "options.hpp"
#include "service/config_file.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <variant>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using test::must_hold;

bool is_one_line(const std::string& text) {
    for (const char c : text)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
            return c == '\t' || c == '\r'; // of a line that is quoted
    return !text.empty();
}

/// Keeps stderr, on which the server explains what it refuses, silent.
class silence {
  public:
    silence() {
        const ivshmem::unique_fd nowhere{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
        ::dup2(nowhere.get(), STDERR_FILENO);
    }
    silence(const silence&) = delete;
    silence& operator=(const silence&) = delete;
    ~silence() { ::dup2(stderr_.get(), STDERR_FILENO); }

  private:
    ivshmem::unique_fd stderr_{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ivshmem::unique_fd file{::memfd_create("config", MFD_CLOEXEC)};
    must_hold(::write(file.get(), data, size) == static_cast<ssize_t>(size), "there is memory");
    const std::string path = "/proc/self/fd/" + std::to_string(file.get());

    ivshmem::failure f;
    const auto settings = service::read_settings(path, ivshmem_server::config_file, f);
    must_hold(!f || (is_one_line(f.message()) && f.message().find(path) == 0),
              "a refusal is one line that begins with the file");
    std::set<std::string> keys;
    for (const auto& s : settings) {
        must_hold(keys.insert(s.key).second, "a key is set once");
        must_hold(!s.value.empty() && s.line > 0, "a setting has a value and a line");
    }

    const silence quiet;
    const std::array words{"ivshmem-server", "-c", path.c_str()};
    const auto parsed = ivshmem_server::parse(static_cast<int>(words.size()), words.data());
    if (const auto* const taken = std::get_if<ivshmem_server::options>(&parsed)) {
        must_hold(!f, "a file that is refused has no effect");
        must_hold(taken->size >= 1 && taken->size <= std::uint64_t{1} << 62U, "the size is a size");
        must_hold(taken->vectors >= 1 && taken->vectors <= ivshmem_server::most_vectors,
                  "the vectors are in their range");
        must_hold(taken->max_clients <= ivshmem_server::most_clients &&
                      taken->max_clients_per_uid <= ivshmem_server::most_clients,
                  "the clients are in their range");
        must_hold(taken->stall_timeout <= 86400, "the time-out is in its range");
    }
    return 0;
}
