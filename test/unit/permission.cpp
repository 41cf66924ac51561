// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/permission.hpp"

#include "helpers/catch.hpp"
#include "helpers/has.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

using ivshmem::permission_remedy;
using ivshmem::permitted_group;
using test::has;

namespace {

/// A file that root assigns to groups.
class file {
  public:
    file() {
        const int fd = ::mkstemp(path_.data());
        REQUIRE(fd >= 0);
        ::close(fd);
    }
    file(const file&) = delete;
    file& operator=(const file&) = delete;
    ~file() { ::unlink(path_.c_str()); }

    void give(gid_t group, mode_t mode) const {
        REQUIRE(::chown(path_.c_str(), static_cast<uid_t>(-1), group) == 0);
        REQUIRE(::chmod(path_.c_str(), mode) == 0);
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_ = "/tmp/ivshmem-permission-XXXXXX";
};

/// Another machine's files, with strange lines in etc/group.
class machine {
  public:
    machine() {
        REQUIRE(::mkdtemp(path_.data()) != nullptr);
        std::filesystem::create_directory(path_ + "/etc");
        std::ofstream{path_ + "/etc/group"} << "no colon\n:\n::\nx:3999999999\n\n"
                                               "other:x:3999999998:\ndevices:x:3999999999:a,b\n";
    }
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;
    ~machine() { std::filesystem::remove_all(path_); }

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_ = "/tmp/ivshmem-machine-XXXXXX";
};

} // namespace

TEST_CASE("a file that is missing or root's has no group to join") {
    CHECK(permitted_group("/nonexistent/file").empty());
    CHECK(permitted_group("/dev/mem").empty());
    CHECK(has(permission_remedy("/nonexistent/file"), "chgrp GROUP /nonexistent/file"));
}

TEST_CASE("a group counts if its members may read and write") {
    if (::geteuid() != 0) {
        WARN("not tested: only root gives files away");
        return;
    }
    const auto* const known = ::getgrnam("tty");
    REQUIRE(known != nullptr);
    const gid_t tty = known->gr_gid;
    const machine folder;
    const file one;
    one.give(tty, 0660);
    CHECK(permitted_group(one.path()) == "tty");
    CHECK(has(permission_remedy(one.path()), "adduser USER tty"));
    for (const mode_t mode : {0600U, 0640U, 0620U, 0606U}) {
        one.give(tty, mode);
        CHECK(permitted_group(one.path()).empty());
    }
    one.give(0, 0660);
    CHECK(permitted_group(one.path()).empty());
    one.give(3999999999U, 0660); // has no name
    CHECK(permitted_group(one.path()).empty());
    CHECK(permitted_group(one.path(), folder.path()) == "devices");
    std::filesystem::remove(folder.path() + "/etc/group");
    CHECK(permitted_group(one.path(), folder.path()).empty());
}
