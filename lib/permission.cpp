// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "permission.hpp"

#include "formatted.hpp"

#include <array>

#include <grp.h>
#include <sys/stat.h>

namespace ivshmem {

std::string permitted_group(const std::string& path) {
    constexpr mode_t both = S_IRGRP | S_IWGRP;
    struct stat file {};
    if (::stat(path.c_str(), &file) != 0 || (file.st_mode & both) != both || file.st_gid == 0)
        return {};
    // A group with more members than fit stays nameless; device groups have few.
    std::array<char, 16384> buffer{};
    struct group entry {};
    struct group* found = nullptr;
    if (::getgrgid_r(file.st_gid, &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
        return {};
    return found->gr_name;
}

std::string permission_remedy(const std::string& path) {
    const std::string group = permitted_group(path);
    if (group.empty())
        return formatted(
            "run as root, or give your group the file: chgrp GROUP {} && chmod g+rw {}", path,
            path);
    return formatted("run as root, or join the group that may use it: adduser USER {}, and log in "
                     "again",
                     group);
}

} // namespace ivshmem
