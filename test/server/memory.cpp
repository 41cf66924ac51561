// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "client.hpp"
#include "helpers/catch.hpp"
#include "run.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// The shared memory for -l, -M and -m.

using namespace host;
using ivshmem::unique_fd;

namespace {

unique_fd memory_of(const running_server& server) {
    raw_client c{server.socket()};
    c.next();
    c.next();
    auto m = c.next();
    REQUIRE(m.value == -1);
    REQUIRE(m.fd);
    return std::move(m.fd);
}

struct stat status(const unique_fd& fd) {
    struct stat now {};
    REQUIRE(::fstat(fd.get(), &now) == 0);
    return now;
}

/// A POSIX shared memory object that only this process uses; it is removed at the end.
struct object {
    object() : name{"ivshmem-test-" + std::to_string(::getpid())} { ::shm_unlink(name.c_str()); }
    object(const object&) = delete;
    object& operator=(const object&) = delete;
    ~object() { ::shm_unlink(name.c_str()); }
    [[nodiscard]] unique_fd open(int flags) const {
        return unique_fd{::shm_open(name.c_str(), flags, S_IRUSR | S_IWUSR)};
    }
    std::string name;
};

/// The output of a server that fails to start.
std::string refusal(const std::vector<std::string>& options) {
    const temporary_folder folder;
    std::vector<std::string> command{server_program(), "-F", "-S", folder / "socket"};
    command.insert(command.end(), options.begin(), options.end());
    process program{command, folder / "log"};
    CHECK(program.wait() == 1);
    CHECK_FALSE(std::filesystem::exists(folder / "socket"));
    return program.output();
}

} // namespace

TEST_CASE("by default the memory is 4 MiB that no client can resize") {
    running_server server;
    const unique_fd fd = memory_of(server);
    constexpr off_t size = off_t{4} << 20;
    CHECK(status(fd).st_size == size);
    CHECK((::fcntl(fd.get(), F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) ==
          (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
    for (const off_t other : {off_t{0}, size - 1, size + 1, 2 * size}) {
        errno = 0;
        CHECK(::ftruncate(fd.get(), other) == -1);
        CHECK(errno == EPERM);
    }
    CHECK(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE) == -1); // would freeze it for all
}

TEST_CASE("a size that is not a power of two is rounded up, and the log says so") {
    struct example {
        const char* asked;
        off_t size;
        bool said;
    };
    const auto e = GENERATE(example{"1M", 1 << 20, false}, example{"65536", 1 << 16, false},
                            example{"3M", 1 << 22, true}, example{"5000", 8192, true},
                            example{"1", 4096, true}, example{"12k", 16384, true},
                            example{"1G", 1 << 30, false}, example{"1025K", 1 << 21, true});
    running_server server{{"-l", e.asked}};
    CHECK(status(memory_of(server)).st_size == e.size);
    CHECK((server.program().output().find("rounded up to " + std::to_string(e.size)) !=
           std::string::npos) == e.said);
}

TEST_CASE("a named shared memory object is created, kept, and used again") {
    const object o;
    const char* const option = GENERATE("-M", "-m"); // -m: the name in older documents
    {
        running_server server{{option, o.name, "-l", "1M"}};
        const unique_fd mine = o.open(O_RDWR);
        REQUIRE(mine);
        CHECK(status(mine).st_size == 1 << 20);
        CHECK(status(mine).st_ino == status(memory_of(server)).st_ino);
        REQUIRE(::pwrite(mine.get(), "kept", 4, 100) == 4);
    }
    running_server again{{option, o.name, "-l", "1M"}};
    std::string text(4, '\0');
    REQUIRE(::pread(memory_of(again).get(), text.data(), 4, 100) == 4);
    CHECK(text == "kept");
}

TEST_CASE("a named object grows, but never shrinks while processes use it") {
    const object o;
    const unique_fd mine = o.open(O_RDWR | O_CREAT);
    REQUIRE(mine);
    REQUIRE(::ftruncate(mine.get(), 1 << 20) == 0);
    CHECK(has(refusal({"-M", o.name, "-l", "64K"}), "it exists with 1048576 bytes"));
    CHECK(status(mine).st_size == 1 << 20);
    running_server server{{"-M", o.name, "-l", "2M"}};
    CHECK(status(mine).st_size == 2 << 20);
}

TEST_CASE("a directory gets a file without a name") {
    const temporary_folder where;
    const std::string directory = where / "memory";
    std::filesystem::create_directory(directory);
    running_server server{{"-m", directory, "-l", "100000"}};
    const unique_fd fd = memory_of(server);
    CHECK(status(fd).st_size == 131072);
    CHECK(status(fd).st_nlink == 0);
    struct stat folder {};
    REQUIRE(::stat(directory.c_str(), &folder) == 0);
    CHECK(status(fd).st_dev == folder.st_dev);
    CHECK(std::filesystem::is_empty(directory));
}

TEST_CASE("memory that cannot be created is an error, and leaves nothing behind") {
    CHECK(has(refusal({"-m", "/nonexistent/ivshmem"}),
              "a file in /nonexistent/ivshmem: cannot create the shared memory; -m takes a "
              "writable directory"));
    CHECK(has(refusal({"-m", "/dev/null"}), "a file in /dev/null: cannot create"));
    CHECK(has(refusal({"-M", "no/such"}), "shared memory object no/such: cannot open it"));
    CHECK(has(refusal({"-M", std::string(300, 'x')}), "cannot open it; choose another name (-M)"));
}

TEST_CASE("memory with a place is allocated at the start") {
    const object o;
    const temporary_folder folder;
    const bool named = GENERATE(true, false);
    running_server server{{named ? "-M" : "-m", named ? o.name : folder / "", "-l", "1M"}};
    CHECK(status(memory_of(server)).st_blocks * 512 >= 1 << 20);
}

TEST_CASE(
    "memory that cannot be allocated is an error with the figures, and leaves nothing behind") {
    const object o;
    const std::string said = refusal({"-M", o.name, "-l", "1024T"});
    CHECK(has(said, "cannot allocate 1125899906842624 bytes; its file system has "));
    CHECK(has(said, " bytes free, in pages of 4096; choose a smaller size (-l)"));
    CHECK_FALSE(o.open(O_RDWR));
    CHECK(
        has(refusal({"-m", "/dev/shm", "-l", "1024T"}), "cannot allocate 1125899906842624 bytes"));
}

TEST_CASE("a named object that another user could shrink is refused") {
    const object o;
    const std::string path = "/dev/shm/" + o.name;
    SECTION("all may write it") {
        const unique_fd mine = o.open(O_RDWR | O_CREAT);
        REQUIRE(::fchmod(mine.get(), 0666) == 0);
        CHECK(has(refusal({"-M", o.name}), "all users may write it (mode 0666)"));
        CHECK(status(mine).st_size == 0);
    }
    SECTION("a FIFO") {
        REQUIRE(::mkfifo(path.c_str(), S_IRUSR | S_IWUSR) == 0);
        CHECK(has(refusal({"-M", o.name}), "it is not a regular file"));
    }
    if (::geteuid() == 0) { // others cannot give a file away
        SECTION("another owner") {
            const unique_fd other = o.open(O_RDWR | O_CREAT);
            REQUIRE(::fchown(other.get(), 65534, 65534) == 0);
            CHECK(has(refusal({"-M", o.name}), "it belongs to uid 65534, which could shrink it"));
        }
    }
}
